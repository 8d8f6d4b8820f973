// The official SDKs for Node of OpenAI, Anthropic and Google, and Vercel's, each reading what vendors of every dialect
// were recorded to say. Environment: BASE_URL, API_KEY; RECORDED is a file with what is expected; at MOCK_URL the
// recordings are without a gateway. Prints a line per SDK and vendor; exits 1 where one fails.
import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";
import OpenAI from "openai";
import { check, end } from "./checks.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const all = JSON.parse(readFileSync(process.env.RECORDED));
const apiKey = process.env.API_KEY;
const hello = [{ role: "user", content: "hello" }];

// Each client: read(model, stream) returns {text, calls: [[name, arguments]]}, or throws. One is made for each base.
const openAI = (base) => new OpenAI({ baseURL: base + "/v1", apiKey, maxRetries: 0, timeout: 60000 });
const clients = {
  "openai, chat": ["openai", (base) => async (model, stream) => {
    const { chat } = openAI(base);
    const answer = stream ? await chat.completions.stream({ model, messages: hello }).finalChatCompletion() : await chat.completions.create({ model, messages: hello });
    const { content, refusal, tool_calls } = answer.choices[0].message;
    return { text: (content ?? "") + (refusal ?? ""), calls: (tool_calls ?? []).map((c) => [(c.function ?? c.custom).name, c.function?.arguments ?? c.custom.input]) };
  }],
  "openai, responses": ["responses", (base) => async (model, stream) => {
    const { responses } = openAI(base), ask = { model, input: "hello", store: false };
    const { status, error, output } = stream ? await responses.stream(ask).finalResponse() : await responses.create(ask);
    if (status === "failed") throw new Error(error?.message);
    const text = output.flatMap((o) => (o.type === "message" ? o.content : [])).map((c) => c.text ?? c.refusal);
    return { text: text.join(""), calls: output.filter((o) => /^(function|custom_tool)_call$/.test(o.type)).map((o) => [o.name, o.arguments ?? o.input]) };
  }],
  anthropic: ["anthropic", (base) => async (model, stream) => {
    const { messages } = new Anthropic({ baseURL: base, apiKey, maxRetries: 0, timeout: 60000 }), ask = { model, max_tokens: 99, messages: hello };
    const { content } = stream ? await messages.stream(ask).finalMessage() : await messages.create(ask);
    return { text: content.map((c) => c.text ?? "").join(""), calls: content.filter((c) => c.type === "tool_use").map((c) => [c.name, c.input]) };
  }],
  google: ["gemini", (base) => async (model, stream) => {
    const { models } = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: base, timeout: 60000 } }), ask = { model, contents: "hello" };
    const parts = [];
    for await (const c of stream ? await models.generateContentStream(ask) : [await models.generateContent(ask)]) parts.push(...(c.candidates?.[0]?.content?.parts ?? []));
    return { text: parts.filter((p) => !p.thought).map((p) => p.text ?? "").join(""), calls: parts.filter((p) => p.functionCall).map((p) => [p.functionCall.name, p.functionCall.args ?? {}]) };
  }],
};
const vercel = {
  chat: ["openai", (base) => createOpenAI({ baseURL: base + "/v1", apiKey }).chat],
  responses: ["responses", (base) => createOpenAI({ baseURL: base + "/v1", apiKey }).responses],
  messages: ["anthropic", (base) => createAnthropic({ baseURL: base + "/v1", apiKey })],
  gemini: ["gemini", (base) => createGoogleGenerativeAI({ baseURL: base + "/v1beta", apiKey })],
};
for (const [name, [dialect, provider]] of Object.entries(vercel)) {
  clients["vercel, " + name] = [dialect, (base) => async (model, stream) => {
    const ask = { model: provider(base)(model), prompt: "hello", maxRetries: 0, providerOptions: { openai: { store: false } } };
    if (!stream) {
      const { text, toolCalls } = await generateText(ask);
      return { text, calls: own(toolCalls) };
    }
    let text = "", calls = [];
    for await (const part of streamText({ ...ask, onError: () => {} }).fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type === "text-delta") text += part.text;
      if (part.type === "tool-call") calls.push(part);
    }
    return { text, calls: own(calls) };
  }];
}
const own = (calls) => calls.filter((c) => !c.providerExecuted).map((c) => [c.toolName, c.input]);

// plain makes what was expected and what was read comparable: arguments are objects, and none are empty ones.
const plain = ({ text, calls }) => JSON.stringify([text.trim(), (calls ?? []).map(([name, args]) => [name, sorted(value(args))])]);
const value = (args) => {
  try {
    return typeof args === "string" ? JSON.parse(args || "{}") : args ?? {};
  } catch {
    return args.trim();
  }
};
const sorted = (v) => (Array.isArray(v) ? v.map(sorted) : v && typeof v === "object" ? Object.fromEntries(Object.keys(v).sort().map((k) => [k, sorted(v[k])])) : v);

// differs says what is wrong with what a client reads of a recording; "" is nothing.
async function differs(read, want) {
  let got;
  try {
    got = await read(want.model, want.stream);
  } catch (err) {
    return want.fails ? "" : `${err}`;
  }
  if (want.fails) return `no error, but ${plain(got)}`;
  return plain(got) === plain(want) ? "" : `${plain(got)}, want ${plain(want)}`;
}

for (const [name, [dialect, at]] of Object.entries(clients)) {
  const read = at(process.env.BASE_URL), direct = at(process.env.MOCK_URL);
  for (const provider of [...new Set(all.map((r) => r.provider))]) {
    const told = all.filter((r) => r.provider === provider && r.clients.includes(dialect) && !(r.media && name === "vercel, messages")); // which knows no images in answers
    const wrong = [], same = [];
    for (const want of told) {
      const what = await differs(read, want);
      if (!what) continue;
      if (want.dialect === dialect && (await differs(direct, want)) === what) same.push(want.name); // the SDK reads it like that from the vendor
      else wrong.push(`${want.name} (${want.dialect}${want.stream ? ", streamed" : ""}): ${what}`);
    }
    const note = same.length ? `, ${same.length} of them as without a gateway` : "";
    if (told.length) await check(`${name} reads ${told.length} answers of ${provider}${note}`, () => {
      if (wrong.length) throw new Error("\n  " + wrong.join("\n  "));
    });
  }
}
end();
