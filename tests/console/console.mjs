// Drives the web console of a running collector in a real Chromium, as operators do: with their
// certificates, by keyboard, without JavaScript, on a phone, light and dark; and as a page of
// somebody else would. Run by console_test.cc, which starts the collector and says where it is:
//
//   node console.mjs URL CERTIFICATES EXPOSURE [SCREENSHOTS]
//
// CERTIFICATES is a folder with approver.pem, approver.key, viewer.pem and viewer.key; EXPOSURE the id
// of the exposure that is looked at and closed. With SCREENSHOTS, pictures of the pages are put there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.SKIMWATCH_NODE_MODULES}/../package.json`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [url, certificates, exposure, screenshots] = process.argv.slice(2);
const paths = ["/", "/exposures", `/exposures/${exposure}`, "/scripts",
  "/script?site=shop&name=js%2Fcheckout.js", "/destinations", "/checklist", "/agents", "/audit",
  "/nowhere"];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--hide-scrollbars"] });

const complaints = [];
async function contextOf(who, options = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    clientCertificates: who === null ? [] : [{ origin: url,
      certPath: `${certificates}/${who}.pem`, keyPath: `${certificates}/${who}.key` }],
    viewport: { width: 1280, height: 900 },
    ...options,
  });
  // What the policy stopped is said on the console.
  context.on("console", message => {
    if (message.type() === "error" && !/status of (403|404)/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  context.on("weberror", error => complaints.push(String(error.error())));
  return context;
}

const everything = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

async function checkAccessibility(page, what, rules) {
  const result = await page.evaluate(
    `${axe}; axe.run(document, { runOnly: ${JSON.stringify(rules)} })`);
  assert.deepEqual(result.violations.map(violation => ({ what, id: violation.id,
    nodes: violation.nodes.map(node => node.html.slice(0, 200) + " " + node.failureSummary) })), []);
  // A run that looked at nothing would find nothing.
  assert.ok(result.passes.length >= Math.min(rules.length, 5), what);
}

async function lookAtEveryPage(scheme, viewport, name, rules) {
  const context = await contextOf("approver", { colorScheme: scheme, viewport });
  const page = await context.newPage();
  for (const path of paths) {
    const response = await page.goto(url + path);
    assert.equal(response.status(), path === "/nowhere" ? 404 : 200, path);
    await checkAccessibility(page, `${path} ${name}`, rules);
    const [wide, seen] = await page.evaluate(
      () => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(wide <= seen, `${path} ${name}: ${wide} wide in ${seen}`);
  }
  await context.close();
}

async function takePictures() {
  for (const [name, scheme, viewport, full] of [
    ["light", "light", { width: 1280, height: 860 }, false],
    ["dark", "dark", { width: 1280, height: 860 }, false],
    ["phone", "light", { width: 360, height: 760 }, false]]) {
    const context = await contextOf("approver", { colorScheme: scheme, viewport });
    const page = await context.newPage();
    const pictures = name === "light" ? [["overview", "/"], ["exposure", `/exposures/${exposure}`],
      ["script", "/script?site=shop&name=js%2Fcheckout.js"], ["checklist", "/checklist?site=shop"],
      ["agents", "/agents"]]
      : name === "dark" ? [["overview", "/"], ["exposure", `/exposures/${exposure}`]]
        : [["overview", "/"], ["exposure", `/exposures/${exposure}`]];
    for (const [what, path] of pictures) {
      await page.goto(url + path);
      await page.screenshot({ path: `${screenshots}/console-${what}-${name}.png`, fullPage: full });
    }
    await context.close();
  }
}

async function useTheKeyboard() {
  const context = await contextOf("approver");
  const page = await context.newPage();
  await page.goto(url);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await context.close();
}

async function decideWithoutJavaScript() {
  const context = await contextOf("approver", { javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${url}/exposures`);
  await page.getByLabel("State").selectOption("closed");
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/state=closed/);
  await page.getByText("Nothing matches.").waitFor();

  await page.goto(`${url}/script?site=shop&name=js%2Fcheckout.js`);
  await page.getByText("evil.example").first().waitFor();
  await page.goto(`${url}/script?site=shop&name=js%2Fchat.js`);
  await page.getByLabel("Why is the script needed?").fill("Chat with customers <b>&");
  await page.getByLabel("Until, when it shall end").fill("2099-12-31");
  await page.getByRole("button", { name: "Approve these bytes" }).click();
  await page.getByText("Chat with customers <b>&").waitFor();
  await page.getByRole("button", { name: "Take the approval back" }).waitFor();

  await page.goto(`${url}/exposures/${exposure}`);
  await page.getByLabel("A note").fill("Found in the cart: 4111 1111 1111 1111");
  await page.getByRole("button", { name: "Add the note" }).click();
  await page.waitForURL(/#notes$/);
  await page.locator(".notes").getByText("**** **** **** ****").waitFor();
  assert.equal((await page.content()).includes("4111 1111 1111 1111"), false);
  await context.close();
}

async function attackFromAnotherPage() {
  // A page of somebody else, in the browser of an operator whose certificate is sent with everything.
  const context = await contextOf("approver");
  const page = await context.newPage();
  await page.setContent(`<form method="post" action="${url}/exposures/${exposure}/close">
    <input name="reason" value="nothing to see here"><button>Win a prize</button></form>`);
  const [response] = await Promise.all([
    page.waitForResponse(answer => answer.request().method() === "POST"),
    page.getByRole("button").click()]);
  assert.equal(response.status(), 403);
  await page.goto(`${url}/exposures/${exposure}`);
  await page.getByRole("button", { name: "Close the exposure" }).waitFor();
  // Nor is it shown within another page.
  await page.setContent(`<iframe src="${url}/"></iframe>`);
  await page.waitForTimeout(300);
  assert.equal(await page.frames().at(-1).locator("main").count(), 0);
  complaints.splice(0);
  await context.close();
}

async function lookAsOthers() {
  const viewer = await contextOf("viewer");
  const page = await viewer.newPage();
  await page.goto(`${url}/exposures/${exposure}`);
  assert.equal(await page.locator("form[method=post]").count(), 0);
  await page.getByText("need the role approver").waitFor();
  await viewer.close();
  const nobody = await contextOf(null);
  const stranger = await nobody.newPage();
  const response = await stranger.goto(url);
  assert.equal(response.status(), 403);
  await stranger.getByText("showed no client certificate").waitFor();
  await nobody.close();
}

async function close() {
  const context = await contextOf("approver");
  const page = await context.newPage();
  await page.goto(`${url}/exposures/${exposure}`);
  const [download] = await Promise.all([page.waitForEvent("download"),
    page.getByRole("link", { name: "md", exact: true }).click()]);
  assert.equal(download.suggestedFilename(), `exposure-${exposure}.md`);
  await page.getByLabel("Why is it over?").fill("The script was removed.");
  await page.getByRole("button", { name: "Close the exposure" }).click();
  await page.getByText("by approver: The script was removed.").first().waitFor();
  await page.goto(`${url}/audit`);
  await page.getByText("whole", { exact: true }).waitFor();
  for (const action of ["script.approve", "exposure.note", "exposure.close"]) {
    assert.ok(await page.getByText(action).first().isVisible(), action);
  }
  await context.close();
}

try {
  await decideWithoutJavaScript();
  await lookAtEveryPage("light", { width: 1280, height: 900 }, "light", everything);
  await lookAtEveryPage("dark", { width: 1280, height: 900 }, "dark", ["color-contrast"]);
  await lookAtEveryPage("light", { width: 360, height: 780 }, "phone", everything);
  await useTheKeyboard();
  await attackFromAnotherPage();
  await lookAsOthers();
  if (screenshots) await takePictures();
  await close();
  assert.deepEqual(complaints, []);
  console.log("console: all of it was seen");
} finally {
  await browser.close();
}
