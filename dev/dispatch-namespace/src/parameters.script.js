/**
 * Stands in front of an outbound Worker: its env holds, besides its own, the
 * parameters that the dispatcher gave for the call that fetches.
 */

/** @param {any} env @param {any} ctx */
const withParameters = (env, ctx) => ({ ...env, ...ctx.props.parameters });

/** @param {any} main Default export of the outbound Worker. @returns {any} */
export function front(main) {
	if (typeof main === "function") {
		return class extends main {
			constructor(/** @type {any} */ ctx, /** @type {any} */ env) {
				super(ctx, withParameters(env, ctx));
			}
		};
	}
	return {
		fetch: (/** @type {Request} */ request, /** @type {any} */ env, /** @type {any} */ ctx) =>
			main.fetch(request, withParameters(env, ctx), ctx),
	};
}
