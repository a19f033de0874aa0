// Counts Python's objects that JavaScript has: lent from now on, and not given back or
// collected since.
export function watch(pyodide) {
	const registry = pyodide.finalizationRegistry;
	const tally = { count: 0 };
	const collected = new FinalizationRegistry(() => tally.count--);
	pyodide.finalizationRegistry = {
		register(target, held, token) {
			tally.count++;
			collected.register(target, undefined, token);
			registry.register(target, held, token);
		},
		unregister(token) {
			if (collected.unregister(token)) tally.count--;
			registry.unregister(token);
		},
	};
	return tally;
}

// Collects JavaScript's garbage, and lets what depends on that run (V8 has --expose-gc).
export async function collect() {
	globalThis.gc();
	await new Promise((resolve) => setTimeout(resolve, 10));
}
