// Rules made, tried and taken away on the page, and what they found on the profile's plot.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { after, test } from "node:test";

import { until } from "./support/mocked.mjs";
import { served, skip } from "./support/served.mjs";

const it = served();
const got = [];
const receiver = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    got.push(JSON.parse(body));
    response.writeHead(204).end();
  });
});
let watched = null;
after(async () => {
  receiver.close();
  if (watched && watched.exitCode === null) {
    const gone = new Promise((done) => watched.once("exit", done));
    watched.kill("SIGINT");
    await gone;
  }
});

const noSideways = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

test("alerts: a rule is added by keyboard, tried, finds something, and is removed", { skip }, async (t) => {
  await new Promise((done) => receiver.listen(0, "127.0.0.1", done));
  const hook = `http://127.0.0.1:${receiver.address().port}/secret-path`;
  const page = await it.open(t, "/");
  await page.getByRole("link", { name: "Alerts" }).click();
  await page.getByText("No rules yet").waitFor();

  await page.getByLabel("Tell me when").focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("0");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").filter({ hasText: "above 0" }).waitFor();
  await page.keyboard.press("Control+A");
  await page.keyboard.type("1");
  await page.getByLabel("Name of the rule").fill("<b>any</b> memory");
  await page.getByLabel("Post to (webhook)").fill(hook);
  await page.keyboard.press("Enter");
  const rule = page.locator(".rule", { hasText: "<b>any</b> memory" });
  await rule.getByText("resident memory above 1.00 MiB").waitFor();
  assert.ok(!(await page.locator("body").textContent()).includes("secret-path"));

  await page.getByRole("button", { name: /^Test the webhook/ }).click();
  await page.getByText("Delivered: HTTP 204").waitFor();
  assert.equal(got[0].event, "test");

  watched = spawn(process.env.HELIOGRAPH, ["run", "--server", it.server.url, "--no-open", "--name", "sleeper", "--", "python3", "-c", "import time; time.sleep(600)"], { stdio: "ignore" });
  await page.getByRole("link", { name: /^sleeper: resident memory is/ }).waitFor({ timeout: 30_000 });
  await page.getByText("delivered (HTTP 204)").waitFor();
  assert.ok(await noSideways(page));

  await page.getByRole("link", { name: /^sleeper: resident memory is/ }).click();
  await page.getByRole("heading", { name: "Alerts (1)" }).waitFor();
  await until(
    () =>
      page.evaluate(() => {
        const canvas = document.querySelector(".plot canvas");
        const probe = document.createElement("canvas").getContext("2d");
        probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--bad");
        probe.fillRect(0, 0, 1, 1);
        const bad = probe.getImageData(0, 0, 1, 1).data;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        for (let i = 0; i < data.length; i += 4) if ([0, 1, 2].every((k) => data[i + k] === bad[k])) return true;
        return false;
      }),
    "the alert is marked on the plot",
  );

  await page.goto(`${it.server.url}/alerts`);
  await page.getByRole("button", { name: /^Remove/ }).click();
  await page.getByText("No rules yet").waitFor();
  await page.getByRole("link", { name: /^sleeper: resident memory is/ }).waitFor();
});

test("alerts: on a phone nothing lies outside", { skip }, async (t) => {
  const page = await it.open(t, "/alerts", { width: 390, height: 844, theme: "dark" });
  await page.getByLabel("Tell me when").selectOption("share");
  await page.getByLabel("Function", { exact: true }).waitFor();
  assert.ok(await noSideways(page));
});
