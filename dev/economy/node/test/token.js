/**
 * Makes a token for Coinbase's facilitator with the official package.
 *
 * Standard input has the options of `generateJwt` as JSON; standard output gets the token.
 */
import process from "node:process";
import { text } from "node:stream/consumers";
import { generateJwt } from "@coinbase/cdp-sdk/auth";

process.stdout.write(await generateJwt(JSON.parse(await text(process.stdin))));
