// What `cli/publish/wrap.py` writes as settings.js, for the type check.
export interface Settings {
	target: string;
	methods: string[];
	timeoutSeconds: number;
	responseBytesMax: number;
	cacheSeconds: number;
	/** What callers are told of keeping; null for what the target says. */
	cacheControl: string | null;
	forwardAuthorization: boolean;
	allowPrivate: boolean;
	/** Name of a header to the binding that has its value. */
	secretHeaders: Record<string, string>;
}

export const settings: Settings;
