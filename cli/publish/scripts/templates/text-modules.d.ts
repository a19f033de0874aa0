// A text file imported as a module is a string.
declare module "*.txt" {
	const text: string;
	export default text;
}
