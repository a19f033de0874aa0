/** What the package exports, and the `options` of a binding in the wrangler configuration. */

/** Options of `[unsafe.bindings.dev]`. */
export interface DispatchNamespaceOptions {
	/** The folder with the scripts, or several, relative to the wrangler configuration. */
	scripts: string | string[];
	/** Milliseconds for which a script's version is used before the folder is checked again; default 150. */
	recheckMs?: number;
	/** A file that gets a trace of each invocation, one JSON document per line. */
	log?: string;
	/** What handles every `fetch()` of a script: a Worker of the session, or a script. */
	outbound?: { service: string } | { script: string; parameters?: string[] };
	python?: {
		/** A folder of packages for Python scripts that do not bring the SDK. */
		modules?: string;
		/** Flags that Python scripts get in addition to their own. */
		compatibilityFlags?: string[];
	};
}

/** The plugins that miniflare loads, by name. */
export const plugins: { "dispatch-namespace": object };
