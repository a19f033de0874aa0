// Counts calls between Python and JavaScript ("crossings"). This text is prepended to the Pyodide
// glue (see glue.py), so it is part of that module. A debugger uses `globalThis.clawrCounting`.

/** Calls from Python's WebAssembly into JavaScript, by name. */
let toJavaScript = {};
/** Calls from JavaScript into Python's WebAssembly, by name. */
let toPython = {};
/** KV operations, as "BINDING.method", and the number of pending ones. */
let operations = {};
let pending = 0;
/** Calls of Python's allocator by kind; 0 until `watchAllocator`. */
let allocator = { malloc: 0, calloc: 0, realloc: 0 };
/** The longer timers that neither ran nor were cleared: by the first id, the newest one. */
const longTimers = new Map();
let isHolding = false;
/** Milliseconds since 1970; null for workerd's clock. */
let clock = null;
/** V8 collects garbage at any time, so calls of its finalizers are not counted. */
let isFinalizing = false;
/** Calls of bindings and of other servers, in the order of their beginning; null until `watchTrips`. */
let trips = null;
/** Grows whenever such a call begins or ends, and with each response. */
let turn = 0;
/** The turn of the latest response. */
let responded = 0;

const ALLOCATOR_BYTES = 20;
/** `mem` and `obj` of CPython's PyMemAllocatorDomain; `raw` has no Python objects. */
const ALLOCATOR_DOMAINS = [1, 2];
const STORE_METHODS = ["get", "getWithMetadata", "put", "list", "delete"];
/** The traced methods of other bindings, by the name of their class. */
const TRACED_METHODS = {
	D1Database: ["batch"],
	D1PreparedStatement: ["all", "first", "raw", "run"],
	Ratelimit: ["limit"],
};
/** The functions of `runtime/bridge.js` that make a response. */
const RESPONDING = ["forward", "respond"];
/** Only longer timers are delayed; shorter ones drive Pyodide's event loop. */
const HELD_FROM_MS = 100;
const HELD_POLL_MS = 5;

/** The glue's `Module`, its `UTF8ToString`, and the exports without counting. */
const raw = {};
/** The name in `env` of each known KV namespace; "" for their prototype. */
const storeNames = new WeakMap();

// Before other code keeps a reference to the function.
const { now: realNow } = Date;
Date.now = function now() {
	return clock ?? realNow();
};
const realFetch = globalThis.fetch.bind(globalThis);
globalThis.fetch = function fetch(url, init) {
	return trip(`fetch ${new URL(url).pathname}`, () => realFetch(url, init));
};

function count(table, name) {
	if (!isFinalizing) table[name] = (table[name] ?? 0) + 1;
}

function kindOf(value) {
	const type = typeof value;
	if (type !== "object" && type !== "function") return type;
	// Reading an attribute of a Python object would be a crossing.
	if (raw.module.API.isPyProxy(value)) return "PyProxy";
	const tag = Object.prototype.toString.call(value).slice(8, -1);
	return type === "function" ? `${tag} ${value.name}` : tag;
}

const member = (object, name) => `${kindOf(object)}.${name}`;
const memberAt = (object, pointer) => member(object, raw.text(pointer));

// Details that distinguish crossings of the same name.
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

// WebAssembly functions are not wrapped: stack switching allows no JavaScript frame between two
// of them.
const isNative = (called) => Function.prototype.toString.call(called).includes("[native code]");

/** Returns the imports of Python's WebAssembly, with counting. */
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
			if (name === "JsvFunction_CallBound" && RESPONDING.includes(values[0].name)) responded = ++turn;
			return called(...values);
		}, called);
	}
	return counted;
}

/** Returns the exports of Python's WebAssembly, with counting. */
export function countedExports(exports) {
	raw.exports = { ...exports };
	for (const [name, called] of Object.entries(exports)) {
		// `WebAssembly.promising` accepts only native functions; `promised` counts their calls.
		if (typeof called !== "function" || name.endsWith("_promising")) continue;
		exports[name] = (...values) => {
			count(toPython, named(name, values));
			if (name === "_pyproxy_apply") entered(values[1]);
			return called(...values);
		};
	}
	return exports;
}

/** Counts a call into Python on a separate stack. */
export function promised(_function, values) {
	count(toPython, "_pyproxy_apply_promising");
	entered(values);
}

/** Handles a call into Python: advances the clock, as workerd's clock advances between calls. */
function entered(values) {
	if (clock !== null) clock++;
	watchStores(values);
	if (trips) watchBindings(values);
}

/** Marks calls of finalizers, which V8 makes at any time. */
export class CountedRegistry extends FinalizationRegistry {
	constructor(cleanUp) {
		super((value) => {
			isFinalizing = true;
			try {
				cleanUp(value);
			} finally {
				isFinalizing = false;
			}
		});
	}
}

/** Starts to count the operations of the KV namespaces in an `env` that is passed to Python. */
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
			const result = trip(`${storeNames.get(this)}.${method}`, () => original.apply(this, values));
			const ended = () => pending--;
			result.then(ended, ended);
			return result;
		};
		prototype[method] = Object.defineProperty(watched, "name", { value: method });
	}
}

/** Runs a call that returns a promise, and notes its beginning and end, and the rows of a database. */
function trip(name, call) {
	if (!trips) return call();
	const one = { name, began: ++turn, ended: null, rowsRead: 0, rowsWritten: 0 };
	trips.push(one);
	const result = call();
	const end = (found) => {
		one.ended = ++turn;
		for (const { meta } of [found].flat().filter((each) => each?.meta)) {
			one.rowsRead += meta.rows_read;
			one.rowsWritten += meta.rows_written;
		}
	};
	result.then(end, end);
	return result;
}

/** Traces the databases, rate limits and Durable Objects in an `env` that is passed to Python. */
function watchBindings(values) {
	for (const env of values) {
		if (kindOf(env) !== "Object") continue;
		for (const [name, binding] of Object.entries(env)) {
			const kind = binding?.constructor?.name;
			if (kind === "DurableObjectNamespace") traceObjects(Object.getPrototypeOf(binding), binding, name);
			if (kind in TRACED_METHODS) traceMethods(binding, name);
			if (kind === "D1Database") traceMethods(binding.prepare("SELECT 1"), name);
		}
	}
}

function traceMethods(binding, name) {
	const prototype = Object.getPrototypeOf(binding);
	storeNames.set(binding, name);
	if (storeNames.has(prototype)) return;
	storeNames.set(prototype, name);
	for (const method of TRACED_METHODS[binding.constructor.name]) {
		const original = prototype[method];
		prototype[method] = function (...values) {
			return trip(`${storeNames.get(this) ?? name}.${method}`, () => original.apply(this, values));
		};
	}
}

function traceObjects(prototype, binding, name) {
	storeNames.set(binding, name);
	if (storeNames.has(prototype)) return;
	storeNames.set(prototype, "");
	const { getByName } = prototype;
	prototype.getByName = function (object) {
		const stub = getByName.call(this, object);
		const get = (_target, method) =>
			typeof method === "string" && method !== "then"
				? (...values) => trip(`${storeNames.get(this)}.${method}`, () => stub[method](...values))
				: stub[method];
		return new Proxy(stub, { get });
	};
}

/** Starts to count allocations, and disables Python's garbage collector. */
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

/** Makes longer timers wait while `isHolding`, inside the request that started them. */
function watchTimers() {
	const { setTimeout, clearTimeout } = globalThis;
	globalThis.setTimeout = (called, duration, ...values) => {
		if (!(duration >= HELD_FROM_MS)) return setTimeout(called, duration, ...values);
		const check = () => {
			if (isHolding) {
				longTimers.set(id, setTimeout(check, HELD_POLL_MS));
				return;
			}
			longTimers.delete(id);
			called(...values);
		};
		const id = setTimeout(check, isHolding ? HELD_POLL_MS : duration);
		longTimers.set(id, id);
		return id;
	};
	globalThis.clearTimeout = (id) => {
		clearTimeout(longTimers.get(id) ?? id);
		longTimers.delete(id);
	};
	globalThis.scheduler.wait = (duration) => new Promise((resolve) => globalThis.setTimeout(resolve, duration));
}

globalThis.clawrCounting = {
	read: () => ({
		toJavaScript,
		toPython,
		operations,
		allocator,
		isWaiting: pending + longTimers.size > 0,
		trips: trips ?? [],
		responded,
	}),
	/** Resets the counts; also frees memory that Python keeps for reuse, which depends on earlier work. */
	reset() {
		raw.exports.PyGC_Collect();
		toJavaScript = {};
		toPython = {};
		operations = {};
		allocator = { malloc: 0, calloc: 0, realloc: 0 };
		if (trips) trips = [];
	},
	/** Starts to trace calls of bindings and of other servers. */
	watchTrips() {
		trips = [];
	},
	watchAllocator,
	watchTimers,
	holdTimers(isHeld) {
		isHolding = isHeld;
	},
	/** Sets the clock to `start`; it then advances by a millisecond with each call of Python. */
	setClock(start) {
		clock = start;
	},
	/** Runs Python in `__main__`, and returns the text in `globalThis.clawrOutput`. */
	run(source) {
		const { module, exports } = raw;
		const place = module.stringToNewUTF8(source);
		globalThis.clawrOutput = "";
		const failed = exports.PyRun_SimpleString(place);
		module._free(place);
		if (failed) throw new Error("Python failed; see the Worker's output.");
		return globalThis.clawrOutput;
	},
};
