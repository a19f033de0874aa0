/**
 * Wraps an outbound Worker: adds the parameters of the dispatcher's call to its env.
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
