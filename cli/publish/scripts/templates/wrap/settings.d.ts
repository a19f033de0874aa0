// The module settings.js, which `cli/publish/scripts/wrap.py` generates, for the type check.
export interface Settings {
	target: string;
	methods: string[];
	timeoutSeconds: number;
	responseBytesMax: number;
	cacheSeconds: number;
	/** The Cache-Control header of responses; null for the target's. */
	cacheControl: string | null;
	forwardAuthorization: boolean;
	allowPrivate: boolean;
	/** The binding with the value of each header. */
	secretHeaders: Record<string, string>;
}

export const settings: Settings;
