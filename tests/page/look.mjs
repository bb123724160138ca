// Looks at the page of a running clade in a real Chromium, as people do. Arguments: the address, the program, and its data
// directory.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import assert from "node:assert/strict";
import { launch } from "./browser.mjs";

const [base, clade, data] = process.argv.slice(2);
const axe = fs.readFileSync(process.env.AXE_FILE, "utf8");
const browser = await launch();
const problems = [];

async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => new URL(request.url()).origin === new URL(base).origin || problems.push(`asks ${request.url()}`));
  return { context, page };
}

async function fits(page, name) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert(content <= window, `${name} is ${content} wide in a window of ${window}`);
}

// The oldest base of an image: much is built on it.
const explained = await (await fetch(`${base}/v1/explain?ref=search/scheduler:v48`)).json();
const oldest = explained.items[0].bases.at(-1).digest;

// Every view, light and dark, wide and on a phone, without a script: it fits, and axe finds nothing serious.
const views = Object.entries({
  overview: "/",
  class: "/classes/rhel7",
  image: "/explain?ref=search/scheduler:v48",
  tags: "/tags?state=outdated",
  images: "/images?sort=outdated",
  tree: `/explain?ref=${oldest}`,
  compare: "/compare?a=search/scheduler:v48&b=catalog/web:latest",
  workloads: "/workloads",
  policies: "/policies",
  plan: "/classes/rhel7/rebuild",
  rebuilds: "/rebuilds",
  rebuild: "/rebuilds/debian9-1",
  search: "/search?q=search",
  audit: "/audit?class=rhel7",
  letters: "/dead-letters",
  admissions: "/admissions",
  problem: "/classes/nope",
});
for (const [colorScheme, width, javaScriptEnabled] of [
  ["light", 1280, true],
  ["dark", 1920, true],
  ["dark", 390, true],
  ["light", 390, false],
]) {
  const { context, page } = await open({ colorScheme, viewport: { width, height: 900 }, javaScriptEnabled });
  for (const [name, view] of views) {
    await page.goto(base + view);
    await fits(page, `${view} at ${width}`);
    const pictures = process.env.CLADE_PICTURES;
    if (pictures) await page.screenshot({ path: `${pictures}/${name}-${colorScheme}-${width}.png` });
    assert((await page.locator("main").innerText()).length > 50, `${view} has content`);
    if (!javaScriptEnabled) continue;
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes[0].html]), [], `${view} ${colorScheme}`);
  }
  await context.close();
}

// From the overview to a class, an image, and along a table, by mouse.
const { context, page } = await open({ viewport: { width: 1280, height: 900 } });
await page.goto(base);
assert.match(await page.title(), /Overview/);
assert.equal(await page.locator("svg.timeline").count(), 7);
await page.getByRole("link", { name: "openjdk8", exact: true }).first().click();
assert.match(await page.locator("h1").innerText(), /openjdk8/);
await page.getByRole("link", { name: "tags", exact: true }).click();
await page.getByLabel("State").selectOption("outdated");
await page.getByLabel("Namespace").fill("checkout");
await page.getByRole("button", { name: "Filter" }).click();
assert.equal(new URL(page.url()).searchParams.get("namespace"), "checkout");
const names = await page.locator("tbody tr td:first-child").allInnerTexts();
assert(names.length > 0 && names.every((name) => name.startsWith("checkout/")), String(names));
await page.locator("tbody a").first().click();
assert((await page.locator(".stack li.old").count()) > 0, "its old base stands in the stack");
await page.goto(`${base}/images?class=rhel7`);
const first = await page.locator("tbody tr").first().innerText();
await page.getByRole("link", { name: "Next page" }).click();
assert.notEqual(await page.locator("tbody tr").first().innerText(), first);

// From a class to what runs it, and to what its policies say.
await page.goto(`${base}/classes/rhel7`);
await page.getByRole("link", { name: "run an outdated one" }).click();
const workloads = page.locator("tbody tr");
const running = await workloads.count();
assert(running > 0, "workloads run it");
await page.getByLabel("Namespace").fill("catalog");
await page.getByRole("button", { name: "Filter" }).click();
assert((await workloads.count()) < running && (await workloads.count()) > 0);
await page.goto(`${base}/workloads?unknown=true`);
await page.getByText("never seen by clade").first().waitFor();
await page.goto(`${base}/policies`);
await page.locator("td.number.outdated a").first().click();
assert.equal(new URL(page.url()).searchParams.get("verdict"), "violating");

// The trail of what happened to an image.
await page.goto(`${base}/explain?ref=search/scheduler:v48`);
await page.getByRole("link", { name: "Audit entries" }).first().click();
await page.locator("tbody tr").first().waitFor();
const entries = await page.locator("tbody tr td:nth-child(3)").allInnerTexts();
assert(entries.includes("image.classified"), String(entries));

// A tree is opened and closed level by level, and an image is put beside another.
await page.goto(`${base}/explain?ref=${oldest}`);
const leaves = page.locator(".tree li");
const closed = await leaves.count();
await page.locator(".tree a.toggle").first().click();
await page.locator(".tree ul ul").first().waitFor();
assert((await leaves.count()) > closed, "a level has opened");
await page.locator(".tree a.toggle").filter({ hasText: "close" }).click();
await page.waitForFunction((number) => document.querySelectorAll(".tree li").length === number, closed);
await page.getByLabel("with", { exact: true }).fill("search/scheduler:v48");
await page.getByLabel("with", { exact: true }).press("Enter");
await page.getByText("The second is built on the first").waitFor();

// As of a time, from a view with parameters and back.
await page.goto(`${base}/images?class=rhel7`);
await page.getByLabel("As of").fill("2999-01-01T00:00:00Z");
await page.getByLabel("As of").press("Enter");
assert.match(await page.locator(".problem").innerText(), /is not over/);
await page.goto(`${base}/tags?class=rhel7&state=outdated`);
await page.getByLabel("As of").fill(new Date(Date.now() - 1500).toISOString());
await page.getByLabel("As of").press("Enter");
assert.equal(new URL(page.url()).searchParams.get("state"), "outdated", "the view keeps what it is about");
assert.match(await page.locator("time").first().innerText(), /before$/);
await page.getByRole("link", { name: "Show the present" }).click();
await page.waitForLoadState();
assert.equal(new URL(page.url()).search, "?class=rhel7&state=outdated");

// By keyboard alone.
await page.keyboard.press("/");
await page.keyboard.type("search/scheduler:v48");
await page.keyboard.press("Enter");
await page.waitForURL(/\/explain/);
assert.match(await page.locator("h1").innerText(), /search\/scheduler:v48/);

// While a name is typed, others are suggested.
await page.goto(base);
await page.keyboard.press("/");
await page.keyboard.type("search/scheduler:v");
const suggested = page.locator("#suggestions option");
await suggested.first().waitFor({ state: "attached" });
const offered = await suggested.evaluateAll((options) => options.map(({ value }) => value));
assert(offered.length > 1 && offered.every((name) => name.startsWith("search/scheduler:v")), String(offered));

// Events of a class appear while somebody looks at it.
await page.goto(`${base}/classes/ubuntu16.04`);
await page.getByText("What happens now").waitFor();
const events = page.locator(".events li");
assert.equal(await events.count(), 0);
execFileSync(clade, ["delete", "class", "ubuntu16.04", "--data-dir", data], { stdio: "ignore" });
await events.first().waitFor({ timeout: 20000 });
assert.match(await events.first().innerText(), /left/);

// Something changes, the connection is lost, and comes back: what is read does not move.
await page.goto(base);
const news = page.locator("#news");
execFileSync(clade, ["delete", "class", "alpine3.7", "--data-dir", data], { stdio: "ignore" });
await news.getByText("There is something new").waitFor({ timeout: 20000 });
assert.equal(await page.locator("svg.timeline").count(), 6, "nothing moves until somebody wants it to");
await news.getByRole("button").click();
await page.waitForFunction(() => document.querySelectorAll("svg.timeline").length === 5);
await page.goto(`${base}/rebuilds/debian9-1`);
execFileSync(clade, ["rebuild", "cancel", "debian9-1", "--server", base], { stdio: "ignore" });
await news.getByText("There is something new").waitFor({ timeout: 20000 });
await page.goto(base);
await context.setOffline(true);
await news.getByText("The connection to clade is lost").waitFor({ timeout: 20000 });
await context.setOffline(false);
await news.waitFor({ state: "hidden", timeout: 20000 });
await context.close();

// A page of another origin can neither read nor command, nor put the page into a frame.
const other = http.createServer((_, answer) => {
  answer.setHeader("content-type", "text/html");
  answer.end("<!doctype html><title>elsewhere</title>");
});
await new Promise((resolve) => other.listen(0, "127.0.0.1", resolve));
const elsewhere = await (await browser.newContext()).newPage();
await elsewhere.goto(`http://127.0.0.1:${other.address().port}/`);
const before = await (await fetch(`${base}/v1/classes`)).json();
const tried = await elsewhere.evaluate(async (base) => {
  const attempt = (path, options) => fetch(base + path, options).then(() => "answered", () => "refused");
  const manifest = [{ apiVersion: "clade.dev/v1alpha1", kind: "ImageClass", metadata: { name: "evil" } }];
  manifest[0].spec = { from: { kind: "DockerImage", name: "evil:1" } };
  const body = JSON.stringify(manifest);
  const follow = () =>
    new Promise((resolve) => {
      const source = new EventSource(`${base}/v1/position`);
      source.onerror = () => resolve("refused");
      source.addEventListener("change", () => resolve("answered"));
    });
  const frame = document.createElement("iframe");
  const loaded = new Promise((resolve) => (frame.onload = resolve));
  frame.src = base;
  document.body.append(frame);
  await loaded;
  return {
    read: await attempt("/v1/classes"),
    look: await attempt("/"),
    follow: await follow(),
    command: await attempt("/v1/apply", { method: "POST", body, headers: { "content-type": "application/json" } }),
    remove: await attempt("/v1/classes?name=openjdk8", { method: "DELETE" }),
    // Sent without asking first; nobody sees the answer.
    blind: await attempt("/v1/apply", { method: "POST", mode: "no-cors", body }),
  };
}, base);
const { blind, ...rest } = tried;
assert.deepEqual(rest, { read: "refused", look: "refused", follow: "refused", command: "refused", remove: "refused" });
const called = ({ items }) => items.map(({ metadata }) => metadata.name);
assert.deepEqual(called(await (await fetch(`${base}/v1/classes`)).json()), called(before), blind);
assert(!elsewhere.frames().some((frame) => frame.url().startsWith(base)), "the page is in no frame");
other.close();

await browser.close();
assert.deepEqual(problems, []);
console.log(`looked at ${views.length} views`);
