// Counts the Python objects that JavaScript holds: created from now on, and neither destroyed nor
// collected since.
export function watch(pyodide) {
	const registry = pyodide.finalizationRegistry;
	const counter = { count: 0 };
	const collected = new FinalizationRegistry(() => counter.count--);
	pyodide.finalizationRegistry = {
		register(target, value, token) {
			counter.count++;
			collected.register(target, undefined, token);
			registry.register(target, value, token);
		},
		unregister(token) {
			if (collected.unregister(token)) counter.count--;
			registry.unregister(token);
		},
	};
	return counter;
}

// Collects JavaScript's garbage, and lets finalizers run (V8 has --expose-gc).
export async function collect() {
	globalThis.gc();
	await new Promise((resolve) => setTimeout(resolve, 10));
}
