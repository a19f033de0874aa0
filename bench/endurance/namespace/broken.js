// An API that fails.
export default {
	fetch() {
		throw new Error("broken");
	},
};
