/** What workerd and this plugin's own assembly provide to the modules that run there. */

declare module "cloudflare:workers" {
	export class WorkerEntrypoint {
		env: any;
		ctx: any;
	}
}

declare module "*.txt" {
	const text: string;
	export default text;
}

declare module "*dispatch-namespace-settings.json" {
	const settings: { limits: { cpuMs?: number; subRequests?: number }; kvBindings: string[] };
	export default settings;
}
