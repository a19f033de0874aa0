// An API that throws.
export default {
	fetch() {
		throw new Error("broken");
	},
};
