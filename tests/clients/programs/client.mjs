// A client of JavaScript: node, bun or deno run this file; the argument names what reads the body.
//
// On standard input comes a JSON object a line: {"url", "warm", "close"}. "warm" is an address to ask first, so that the
// download goes over a connection that is kept; "close" asks for `Connection: close` where the client can say that.
// A JSON object a line is the answer: {"status", "bytes", "sha256"}, or {"error"} where the client reported one.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";

const bytes = (data) => (typeof data === "string" ? Buffer.from(data, "utf8") : Buffer.from(data));

async function readAll(stream) {
    const pieces = [];
    for await (const piece of stream) pieces.push(piece);
    return Buffer.concat(pieces);
}

// The file that somebody writes is what went through the pipeline when it resolved.
async function piped(...streams) {
    const sink = new PassThrough();
    const [, body] = await Promise.all([pipeline(...streams, sink), readAll(sink)]);
    return body;
}

async function readerOf(body) {
    const reader = body.getReader();
    const pieces = [];
    for (;;) {
        const { done, value } = await reader.read();
        if (done) return Buffer.concat(pieces);
        pieces.push(value);
    }
}

const BODIES = {
    arrayBuffer: (answer) => answer.arrayBuffer(),
    text: (answer) => answer.text(),
    reader: (answer) => readerOf(answer.body),
    pipeline: (answer) => piped(Readable.fromWeb(answer.body)),
};

const moduleOf = (url) => import(url.startsWith("https:") ? "node:https" : "node:http");

// Each gives (url, close) => [status, body].
async function clientOf(name) {
    const [library, way] = name.split(".");
    if (library === "fetch") {
        return async (url) => {
            const answer = await fetch(url);
            return [answer.status, await BODIES[way](answer)];
        };
    }
    if (library === "http") {
        return async (url, close) => {
            const http = await moduleOf(url);
            const agent = new http.Agent({ keepAlive: !close });
            const answer = await new Promise((resolve, reject) => http.get(url, { agent }, resolve).on("error", reject));
            return [answer.statusCode, await piped(answer)];
        };
    }
    if (library === "undici") {
        const { Agent, fetch: undiciFetch, request, stream } = await import("undici");
        const [kept, closing] = [new Agent(), new Agent({ pipelining: 0 })];
        return async (url, close) => {
            const dispatcher = close ? closing : kept;
            if (way === "fetch") {
                const answer = await undiciFetch(url, { dispatcher });
                return [answer.status, await answer.arrayBuffer()];
            }
            if (way === "stream") {
                const sink = new PassThrough();
                let status;
                const factory = ({ statusCode }) => ((status = statusCode), sink);
                const [, body] = await Promise.all([stream(url, { dispatcher, method: "GET" }, factory), readAll(sink)]);
                return [status, body];
            }
            const answer = await request(url, { dispatcher, reset: close });
            return [answer.statusCode, await answer.body.arrayBuffer()];
        };
    }
    if (library === "axios") {
        const { default: axios } = await import("axios");
        const adapter = way === "fetch" ? "fetch" : "http";
        return async (url, close) => {
            const agent = new (await moduleOf(url)).Agent({ keepAlive: !close });
            const agents = { httpAgent: agent, httpsAgent: agent };
            const responseType = way === "stream" ? "stream" : "arraybuffer";
            const answer = await axios.get(url, { adapter, ...agents, responseType, validateStatus: () => true });
            return [answer.status, way === "stream" ? await piped(answer.data) : answer.data];
        };
    }
    if (library === "got") {
        const { default: got } = await import("got");
        return async (url, close) => {
            const own = new (await moduleOf(url)).Agent({ keepAlive: !close });
            const agent = { http: own, https: own };
            // A retry would only run the export again.
            const options = { agent, retry: { limit: 0 }, throwHttpErrors: false };
            if (way === "stream") {
                const stream = got.stream(url, options);
                let status;
                stream.on("response", (answer) => (status = answer.statusCode));
                const body = await piped(stream);
                return [status, body];
            }
            const answer = await got(url, { ...options, responseType: "buffer" });
            return [answer.statusCode, answer.rawBody ?? answer.body];
        };
    }
    throw new Error(`no client ${name}`);
}

function sentence(error) {
    const parts = [];
    for (let seen = error; seen && parts.length < 4; seen = seen.cause) parts.push(seen.message || String(seen));
    return parts.join(": ") || "an error without words";
}

// What a library reports beside the promise ends the process by default: that would be seen, but say it in the answer.
let beside = null;
process.on("uncaughtException", (error) => (beside = error));
process.on("unhandledRejection", (error) => (beside = error));

const get = await clientOf(process.argv[2]);
for await (const line of createInterface({ input: process.stdin })) {
    const { url, warm, close } = JSON.parse(line);
    let found;
    beside = null;
    try {
        if (warm) await get(warm, false);
        const [status, data] = await get(url, close);
        const body = bytes(data);
        found = { status, bytes: body.length, sha256: createHash("sha256").update(body).digest("hex") };
    } catch (error) {
        found = { error: sentence(error) };
    }
    if (beside && !found.error) found = { error: `beside the promise: ${sentence(beside)}` };
    process.stdout.write(`${JSON.stringify(found)}\n`);
}
process.exit(0);
