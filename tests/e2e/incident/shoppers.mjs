// Shoppers with a real browser: one Chromium, in which each shopper has a context and an address of
// the network of their own. Reads commands from standard input, one JSON object a line:
//
//   {"id", "url", "referrer", "address", "port", "card", "expiry", "cvc"}
//                        opens the page; types the card, where there is one, and pays
//   {"close": true}      all shoppers leave
//
// and says what happened: `ID opened`, `ID paid`, `ID failed: why`, `closed`. Never a number. Ends with
// its input.
//
// usage: shoppers.mjs CHROMIUM PROFILE_FOLDER KEY_DIGEST
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import readline from "node:readline";

const [program, profile, keyDigest] = process.argv.slice(2);
const patienceMs = 45000;
const keyMs = 15;

const log = fs.openSync(`${profile}/log`, "w", 0o600);
const browser = spawn(program, [
  "--headless",
  ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // As the browser of somebody who sits before it.
  "--disable-blink-features=AutomationControlled",
  "--window-size=1280,900",
  `--user-data-dir=${profile}`,
  `--ignore-certificate-errors-spki-list=${keyDigest}`,
  // Reports are else held back for a minute.
  "--short-reporting-delay",
  "--remote-debugging-pipe",
], { stdio: ["ignore", log, log, "pipe", "pipe"] });
browser.on("exit", () => process.exit(1));

const calls = new Map();
let lastCall = 0;
let received = "";
browser.stdio[4].setEncoding("utf8").on("data", (text) => {
  const messages = (received + text).split("\0");
  received = messages.pop();
  for (const message of messages) {
    const { id, result, error } = JSON.parse(message);
    const waiting = calls.get(id);
    calls.delete(id);
    if (waiting && error) waiting.reject(new Error(error.message));
    else waiting?.resolve(result);
  }
});

function call(method, params = {}, sessionId = undefined) {
  const id = ++lastCall;
  browser.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
  return new Promise((resolve, reject) => calls.set(id, { resolve, reject }));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What stands between a shopper and the sites: names end in `.example` and all lead to `port` of
// loopback, where the shopper is seen as `address`.
function networkOf(address, port) {
  const proxy = http.createServer((_, answer) => answer.writeHead(403).end());
  proxy.on("connect", (request, client) => {
    client.on("error", () => {});
    if (!/^[a-z0-9.-]+\.example:443$/.test(request.url)) {
      client.end("HTTP/1.1 403 Forbidden\r\n\r\n");
      return;
    }
    const server = net.connect({ host: "127.0.0.1", port, localAddress: address }, () => {
      client.write("HTTP/1.1 200 Connected\r\n\r\n");
      client.pipe(server).pipe(client);
    });
    server.on("error", () => client.destroy());
    client.on("close", () => server.destroy());
  });
  return new Promise((resolve) => proxy.listen(0, "127.0.0.1", () => resolve(proxy)));
}

async function evaluate(expression, session) {
  const { result } = await call("Runtime.evaluate", { expression, returnByValue: true }, session);
  return result.value;
}

async function until(expression, session) {
  const end = Date.now() + patienceMs;
  while (!(await evaluate(expression, session).catch(() => false))) {
    if (Date.now() > end) throw new Error(`waited in vain for ${expression}`);
    await pause(20);
  }
}

async function press(key, session) {
  await call("Input.dispatchKeyEvent", { type: "keyDown", ...key }, session);
  await call("Input.dispatchKeyEvent", { type: "keyUp", ...key, text: undefined }, session);
  await pause(keyMs);
}

// Into the field, key by key, and on to the next one.
async function type(field, text, session) {
  await evaluate(`document.querySelector('${field}').focus()`, session);
  for (const character of text) await press({ key: character, text: character }, session);
  await press({ key: "Tab", code: "Tab", windowsVirtualKeyCode: 9 }, session);
}

const contexts = new Set();

async function visit({ id, url, referrer, address, port, card, expiry, cvc }) {
  const proxy = await networkOf(address, port);
  const { browserContextId } = await call("Target.createBrowserContext", {
    proxyServer: `http://127.0.0.1:${proxy.address().port}`,
  });
  contexts.add({ browserContextId, proxy });
  const { targetId } = await call("Target.createTarget", { url: "about:blank", browserContextId });
  const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
  await call("Emulation.setFocusEmulationEnabled", { enabled: true }, sessionId);
  await call("Page.navigate", { url, referrer }, sessionId);
  await until("location.protocol === 'https:' && document.readyState === 'complete'", sessionId);
  console.log(`${id} opened`);
  if (!card) return;
  await type("#card-holder", "A SHOPPER", sessionId);
  await type("#card-number", card, sessionId);
  await type("#card-expiry", expiry, sessionId);
  await type("#card-cvc", cvc, sessionId);
  await press({ key: "Enter", code: "Enter", windowsVirtualKeyCode: 13, text: "\r" }, sessionId);
  await until("document.title === 'Thank you'", sessionId);
  console.log(`${id} paid`);
}

async function close() {
  for (const { browserContextId, proxy } of contexts) {
    await call("Target.disposeBrowserContext", { browserContextId });
    proxy.closeAllConnections();
    proxy.close();
  }
  contexts.clear();
  console.log("closed");
}

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line);
  if (command.close) close();
  else visit(command).catch((error) => console.log(`${command.id} failed: ${error.message}`));
});
lines.on("close", () => {
  call("Browser.close");
});
