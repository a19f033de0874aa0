/** A web session with several cookies and a redirect. It stores nothing. */

const ABOUT = {
	name: "Passport",
	description: "A session in three cookies: sign in, be redirected to your profile, sign out.",
	endpoints: [
		{
			method: "GET or POST",
			path: "/login",
			parameters: { user: "1 to 32 of a-z, 0-9 and -", theme: "light (default) or dark" },
			answers: "303 to profile, with the cookies session, theme and seen",
			example: "/login?user=ada",
		},
		{ method: "GET", path: "/profile", answers: "the signed-in user, or 401", example: "/profile" },
		{ method: "GET or POST", path: "/logout", answers: "303 to /, clearing the cookies", example: "/logout" },
	],
};

const COOKIES = ["session", "theme", "seen"];

function cookiesOf(request) {
	const pairs = (request.headers.get("cookie") ?? "").split(";").map((pair) => pair.trim().split("="));
	return Object.fromEntries(pairs.filter(([name, value]) => name && value !== undefined));
}

/** Returns a redirect to `location`, which is relative so that it works below any prefix. */
function redirect(location, cookies) {
	const headers = new Headers({ location, "cache-control": "no-store" });
	for (const cookie of cookies) headers.append("set-cookie", cookie);
	return new Response(null, { status: 303, headers });
}

function login(query) {
	const user = query.get("user") ?? "";
	const theme = query.get("theme") ?? "light";
	if (!/^[a-z0-9-]{1,32}$/.test(user)) {
		const message = "user must be 1 to 32 of a-z, 0-9 and -";
		return Response.json({ error: "invalid_parameter", parameter: "user", message }, { status: 400 });
	}
	if (!["light", "dark"].includes(theme)) {
		const message = "theme must be light or dark";
		return Response.json({ error: "invalid_parameter", parameter: "theme", message }, { status: 400 });
	}
	return redirect("profile", [
		`session=${user}.${crypto.randomUUID()}; HttpOnly; SameSite=Lax`,
		`theme=${theme}; Max-Age=31536000`,
		"seen=1; Expires=Fri, 31 Dec 2038 23:59:59 GMT; SameSite=Lax",
	]);
}

function profile(request) {
	const { session, theme = "light" } = cookiesOf(request);
	const user = session?.split(".")[0];
	if (!user) {
		const message = "not signed in: go to login?user=NAME";
		return Response.json({ error: "not_signed_in", message }, { status: 401 });
	}
	return Response.json({ user, theme }, { headers: { "cache-control": "private, no-store" } });
}

export default {
	async fetch(request) {
		const { pathname, searchParams } = new URL(request.url);
		const allowed = ["/login", "/logout"].includes(pathname) ? ["GET", "HEAD", "POST"] : ["GET", "HEAD"];
		if (!allowed.includes(request.method)) {
			const headers = { allow: allowed.join(", ") };
			return Response.json({ error: "method_not_allowed" }, { status: 405, headers });
		}
		if (pathname === "/") return Response.json(ABOUT);
		if (pathname === "/login") return login(searchParams);
		if (pathname === "/profile") return profile(request);
		if (pathname === "/logout")
			return redirect(
				"./",
				COOKIES.map((name) => `${name}=; Max-Age=0`),
			);
		return Response.json({ error: "not_found", message: "see / for what there is" }, { status: 404 });
	},
};
