// As much of a browser as the demo's pages use: gets a page and its scripts from the shop over HTTP,
// runs them, fills in the payment form and submits it. Requests go to loopback ports, under the
// names that the pages use.
//
// node browser.mjs SHOP_PORT CHAT_PORT PAGE     the form's fields on standard input, one JSON object
import http from "node:http";
import vm from "node:vm";
import { text } from "node:stream/consumers";

const [shopPort, chatPort, page] = process.argv.slice(2);
const ports = { "shop.example": shopPort, "chat.vendor.example": chatPort };
const fields = JSON.parse(await text(process.stdin));
const origin = "http://shop.example";
const pending = [];

function request(address, { method = "GET", headers = {}, body } = {}) {
  const url = new URL(address, origin + page);
  const port = ports[url.hostname];
  if (port === undefined) throw new Error(`the demo has no host ${url.hostname}`);
  const sent = new Promise((resolve, reject) => {
    const outgoing = http.request(
      { host: "127.0.0.1", port, path: url.pathname + url.search, method, agent: false,
        headers: { Host: url.hostname, Origin: origin, Referer: origin + "/", ...headers } },
      (response) => text(response).then((content) => resolve({ status: response.statusCode, content })));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
  pending.push(sent);
  return sent;
}

const target = () => {
  const listeners = [];
  return {
    addEventListener: (type, listener) => listeners.push([type, listener]),
    appendChild() {}, setAttribute() {},
    dispatch(type) {
      for (const [known, listener] of listeners) if (known === type) listener({ preventDefault() {} });
    },
  };
};

const html = (await request(page)).content;
const form = html.includes('id="payment"') ? { ...target(), action: "/api/checkout" } : null;
const document = {
  ...target(), body: target(), documentElement: {}, currentScript: null,
  getElementById: (id) => (id === "payment" ? form : null),
  createElement: target,
};
const window = {
  document, btoa, encodeURIComponent, JSON, Object,
  location: new URL(page, origin), navigator: { language: "en" },
  fetch: request,
  FormData: class { *[Symbol.iterator]() { yield* Object.entries(fields); } },
  Image: class { set src(address) { request(address); } },
};
window.window = window;
vm.createContext(window);
for (const [, attributes, inline] of html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)) {
  const attribute = (name) => attributes.match(new RegExp(`${name}="([^"]*)"`))?.[1] ?? null;
  document.currentScript = { getAttribute: attribute };
  const source = attribute("src");
  vm.runInContext(source === null ? inline : (await request(source)).content, window);
}
form?.dispatch("submit");
const failed = (await Promise.all(pending)).find(({ status }) => status >= 400);
if (failed !== undefined) throw new Error(`a request was answered with ${failed.status}`);
