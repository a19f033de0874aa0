// Counts what crosses between Python and JavaScript. This text stands at the head of the
// Pyodide glue (see glue.py), so it is part of that module; `globalThis.clawrCounting`, at the
// end, is what a debugger asks from outside.

/** Calls by Python's WebAssembly into JavaScript, by name. */
let toJavaScript = {};
/** Calls by JavaScript into Python's WebAssembly, by name. */
let toPython = {};
/** Operations on KV, as "BINDING.method", and how many of them have not ended yet. */
let operations = {};
let pending = 0;
/** Calls of Python's allocator, by kind; 0 until `watchAllocator`. */
let allocator = { malloc: 0, calloc: 0, realloc: 0 };
/** Timers that wait for `holdTimers(false)`. */
let heldTimers = 0;
let isHolding = false;
/** Milliseconds since 1970; null while the clock is workerd's. */
let clock = null;
/** V8 collects when it likes, so what it then tells Python is no request's. */
let isFinalizing = false;

const ALLOCATOR_BYTES = 20;
/** `mem` and `obj` of CPython's PyMemAllocatorDomain; `raw` holds no objects of Python's. */
const ALLOCATOR_DOMAINS = [1, 2];
const STORE_METHODS = ["get", "getWithMetadata", "put", "list", "delete"];
/** Timers from here on can be held; shorter ones are how Pyodide's event loop turns. */
const HELD_FROM_MS = 100;
const HELD_POLL_MS = 5;

/** The glue's `Module`, its `UTF8ToString`, and the exports without their counting. */
const raw = {};
/** The name in `env` of each KV namespace seen; "" for their prototype. */
const storeNames = new WeakMap();

// Before anybody keeps the function.
const { now: realNow } = Date;
Date.now = function now() {
	return clock ?? realNow();
};

function count(table, name) {
	if (!isFinalizing) table[name] = (table[name] ?? 0) + 1;
}

function kindOf(value) {
	const type = typeof value;
	if (type !== "object" && type !== "function") return type;
	// To look at what is Python's own would be a crossing.
	if (raw.module.API.isPyProxy(value)) return "PyProxy";
	const tag = Object.prototype.toString.call(value).slice(8, -1);
	return type === "function" ? `${tag} ${value.name}` : tag;
}

const member = (object, name) => `${kindOf(object)}.${name}`;
const memberAt = (object, pointer) => member(object, raw.text(pointer));

// What tells two crossings of one name apart, for those where that helps.
const DETAILS = {
	JsProxy_GetAttr_js: memberAt,
	JsProxy_SetAttr_js: memberAt,
	JsProxy_compute_typeflags: kindOf,
	js2python_js: kindOf,
	JsvFunction_CallBound: (called, object) => member(object, called.name),
	JsvFunction_Call_OneArg: kindOf,
	JsvFunction_Construct: kindOf,
	JsvObject_CallMethod: member,
	JsvObject_CallMethod_NoArgs: member,
	JsvObject_CallMethod_OneArg: member,
	JsvObject_CallMethod_TwoArgs: member,
	_pyproxy_getattr: (_pointer, name) => String(name),
};

function named(name, values) {
	const detail = DETAILS[name];
	return detail ? `${name} ${detail(...values)}` : name;
}

// A function that is WebAssembly itself is left alone: no JavaScript may stand between two of
// them when the stack is switched.
const isNative = (called) => Function.prototype.toString.call(called).includes("[native code]");

/** Give the imports of Python's WebAssembly as they are, but counted. */
export function countedImports(imports, module, text) {
	Object.assign(raw, { module, text });
	const counted = {};
	for (const [name, called] of Object.entries(imports)) {
		if (typeof called !== "function" || called.stub || isNative(called)) {
			counted[name] = called;
			continue;
		}
		counted[name] = Object.assign((...values) => {
			count(toJavaScript, named(name, values));
			return called(...values);
		}, called);
	}
	return counted;
}

/** Give the exports of Python's WebAssembly as they are, but counted. */
export function countedExports(exports) {
	raw.exports = { ...exports };
	for (const [name, called] of Object.entries(exports)) {
		// `WebAssembly.promising` takes no other functions; `promised` counts what becomes of these.
		if (typeof called !== "function" || name.endsWith("_promising")) continue;
		exports[name] = (...values) => {
			count(toPython, named(name, values));
			if (name === "_pyproxy_apply") entered(values[1]);
			return called(...values);
		};
	}
	return exports;
}

/** Count one call into Python on a stack of its own, given what it is called with. */
export function promised(_function, values) {
	count(toPython, "_pyproxy_apply_promising");
	entered(values);
}

/** Python is called, with these values: workerd's clock, too, stands still until such a moment. */
function entered(values) {
	if (clock !== null) clock++;
	watchStores(values);
}

/** V8 tells Python of what it has collected now and then, between any two crossings. */
export class CountedRegistry extends FinalizationRegistry {
	constructor(cleanUp) {
		super((held) => {
			isFinalizing = true;
			try {
				cleanUp(held);
			} finally {
				isFinalizing = false;
			}
		});
	}
}

/** Count the operations of every KV namespace, once an `env` is among what Python is called with. */
function watchStores(values) {
	for (const env of values) {
		if (kindOf(env) !== "Object") continue;
		for (const [name, binding] of Object.entries(env)) {
			if (binding?.constructor?.name !== "KvNamespace" || storeNames.has(binding)) continue;
			storeNames.set(binding, name);
			watchMethods(Object.getPrototypeOf(binding));
		}
	}
}

function watchMethods(prototype) {
	if (storeNames.has(prototype)) return;
	storeNames.set(prototype, "");
	for (const method of STORE_METHODS) {
		const original = prototype[method];
		const watched = function (...values) {
			count(operations, `${storeNames.get(this)}.${method}`);
			pending++;
			const answer = original.apply(this, values);
			const ended = () => pending--;
			answer.then(ended, ended);
			return answer;
		};
		prototype[method] = Object.defineProperty(watched, "name", { value: method });
	}
}

/** Count every block that Python asks its allocator for, and collect no cycles meanwhile. */
function watchAllocator() {
	const { module, exports } = raw;
	const place = module._malloc(ALLOCATOR_BYTES);
	for (const domain of ALLOCATOR_DOMAINS) {
		exports.PyMem_GetAllocator(domain, place);
		const fields = new Uint32Array(module.HEAPU32.buffer, place, ALLOCATOR_BYTES / 4);
		const context = fields[0];
		const kinds = [
			["malloc", "ppp"],
			["calloc", "pppp"],
			["realloc", "pppp"],
		];
		for (const [index, [kind, signature]] of kinds.entries()) {
			const called = module.getWasmTableEntry(fields[index + 1]);
			const counted = (_context, ...sizes) => {
				allocator[kind]++;
				return called(context, ...sizes);
			};
			fields[index + 1] = module.addFunction(counted, signature);
		}
		exports.PyMem_SetAllocator(domain, place);
	}
	module._free(place);
	exports.PyGC_Disable();
}

/** Make every timer of some length wait while `isHolding`, inside the request that it is of. */
function watchTimers() {
	const { setTimeout } = globalThis;
	globalThis.setTimeout = (called, duration, ...values) => {
		if (!(duration >= HELD_FROM_MS)) return setTimeout(called, duration, ...values);
		heldTimers++;
		const look = () => {
			if (isHolding) return setTimeout(look, HELD_POLL_MS);
			heldTimers--;
			called(...values);
		};
		return setTimeout(look, isHolding ? HELD_POLL_MS : duration);
	};
	globalThis.scheduler.wait = (duration) => new Promise((resolve) => globalThis.setTimeout(resolve, duration));
}

globalThis.clawrCounting = {
	read: () => ({ toJavaScript, toPython, operations, allocator, isWaiting: pending + heldTimers > 0 }),
	/** Count from nothing; what Python keeps for reuse is given up, as that depends on what was before. */
	reset() {
		raw.exports.PyGC_Collect();
		toJavaScript = {};
		toPython = {};
		operations = {};
		allocator = { malloc: 0, calloc: 0, realloc: 0 };
	},
	watchAllocator,
	watchTimers,
	holdTimers(isHeld) {
		isHolding = isHeld;
	},
	/** Let the clock stand at `start`, and go on by a millisecond each time that Python is called. */
	setClock(start) {
		clock = start;
	},
	/** Run Python in `__main__`, and give the text that it leaves in `globalThis.clawrSaid`. */
	run(source) {
		const { module, exports } = raw;
		const place = module.stringToNewUTF8(source);
		globalThis.clawrSaid = "";
		const failed = exports.PyRun_SimpleString(place);
		module._free(place);
		if (failed) throw new Error("Python failed; the Worker's output says why.");
		return globalThis.clawrSaid;
	},
};
