// The official SDKs for Node of OpenAI, Anthropic and Google, and Vercel's, each against models of every dialect
// behind one gateway. Environment: BASE_URL, API_KEY. Prints a line per check; exits 1 where one fails.
import Anthropic from "@anthropic-ai/sdk";
import { ApiError, GoogleGenAI } from "@google/genai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, NoObjectGeneratedError, embedMany, generateText, Output, jsonSchema, streamText, tool } from "ai";
import OpenAI from "openai";
import { check, end, equal, raises } from "./checks.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const base = process.env.BASE_URL, apiKey = process.env.API_KEY;
const upstreams = ["openai", "responses", "anthropic", "gemini"];
const callers = ["anthropic", "responses"]; // the mock calls tools in these dialects
// failures are models and the status with which they fail: an upstream that refuses the gateway's key is none of the client's.
const failures = (up) => [["none", 404], ...Object.entries({ 401: 502, 429: 429, 500: 500, 529: 529, html500: 500, badjson: 502, empty: 502, reset: 503, cut: 502 }).map(([fault, status]) => [`${up}-mock+fault=${fault}`, status])];
const cuts = ["sse-cut", "sse-reset", "sse-error", "sse-bad"];
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const parameters = { type: "object", properties: { animal: { type: "string" }, legs: { type: "integer" } }, required: ["animal"], additionalProperties: false };

const openai = new OpenAI({ baseURL: base + "/v1", apiKey, maxRetries: 0, timeout: 60000 });
const anthropic = new Anthropic({ baseURL: base, apiKey, maxRetries: 0, timeout: 60000 });
const google = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: base, timeout: 60000 } });
const vercel = {
  chat: createOpenAI({ baseURL: base + "/v1", apiKey }).chat,
  responses: createOpenAI({ baseURL: base + "/v1", apiKey }).responses,
  messages: createAnthropic({ baseURL: base + "/v1", apiKey }),
  gemini: createGoogleGenerativeAI({ baseURL: base + "/v1beta", apiKey }),
};

// Each client: text(model), stream(model), call(model) that returns the name and arguments of the tool's call after
// its result went back, callStreamed(model) without that, see(model) with an image, form(model) with a schema for the answer, status(error).
const clients = {
  "openai, chat": {
    text: async (model) => (await openai.chat.completions.create({ model, messages: [{ role: "user", content: "hello" }] })).choices[0].message.content,
    stream: async (model) => {
      let text = "";
      for await (const c of await openai.chat.completions.create({ model, stream: true, messages: [{ role: "user", content: "hello" }] })) text += c.choices[0]?.delta?.content ?? "";
      return text;
    },
    call: async (model) => {
      const messages = [{ role: "user", content: "hello" }], tools = [{ type: "function", function: { name: "lookup", parameters } }];
      const { message } = (await openai.chat.completions.create({ model, messages, tools })).choices[0];
      const [call] = message.tool_calls;
      messages.push(message, { role: "tool", tool_call_id: call.id, content: "four" });
      await openai.chat.completions.create({ model, messages, tools });
      return [call.function.name, JSON.parse(call.function.arguments)];
    },
    callStreamed: async (model) => {
      const { choices } = await openai.chat.completions.stream({ model, messages: [{ role: "user", content: "hello" }], tools: [{ type: "function", function: { name: "lookup", parameters } }] }).finalChatCompletion();
      equal(choices[0].finish_reason, "tool_calls");
      const [call] = choices[0].message.tool_calls;
      return [call.function.name, JSON.parse(call.function.arguments)];
    },
    see: (model) => openai.chat.completions.create({ model, messages: [{ role: "user", content: [{ type: "text", text: "what?" }, { type: "image_url", image_url: { url: "data:image/png;base64," + pixel } }] }] }),
    form: (model) => openai.chat.completions.create({ model, messages: [{ role: "user", content: "hello" }], response_format: { type: "json_schema", json_schema: { name: "animal", schema: parameters } } }),
    failure: OpenAI.APIError,
  },
  "openai, responses": {
    text: async (model) => (await openai.responses.create({ model, input: "hello", store: false })).output_text,
    stream: async (model) => {
      let text = "", done = false;
      for await (const e of await openai.responses.create({ model, input: "hello", store: false, stream: true })) {
        if (e.type === "response.output_text.delta") text += e.delta;
        if (e.type === "response.completed") done = true;
        if (e.type === "response.failed" || e.type === "error") throw new OpenAI.APIError(undefined, e.response?.error ?? e, "failed", undefined);
      }
      if (!done) throw new Error("it never completed");
      return text;
    },
    call: async (model) => {
      const input = [{ role: "user", content: "hello" }], tools = [{ type: "function", name: "lookup", parameters, strict: false }];
      const { output } = await openai.responses.create({ model, input, tools, store: false });
      const call = output.find((o) => o.type === "function_call");
      await openai.responses.create({ model, input: [...input, call, { type: "function_call_output", call_id: call.call_id, output: "four" }], tools, store: false });
      return [call.name, JSON.parse(call.arguments)];
    },
    callStreamed: async (model) => {
      const { output } = await openai.responses.stream({ model, input: "hello", tools: [{ type: "function", name: "lookup", parameters, strict: false }], store: false }).finalResponse();
      const call = output.find((o) => o.type === "function_call");
      return [call.name, JSON.parse(call.arguments)];
    },
    see: (model) => openai.responses.create({ model, store: false, input: [{ role: "user", content: [{ type: "input_image", detail: "auto", image_url: "data:image/png;base64," + pixel }] }] }),
    form: (model) => openai.responses.create({ model, store: false, input: "hello", text: { format: { type: "json_schema", name: "animal", schema: parameters } } }),
    failure: OpenAI.APIError,
  },
  anthropic: {
    text: async (model) => (await anthropic.messages.create({ model, max_tokens: 99, messages: [{ role: "user", content: "hello" }] })).content[0].text,
    stream: async (model) => (await anthropic.messages.stream({ model, max_tokens: 99, messages: [{ role: "user", content: "hello" }] }).finalMessage()).content[0].text,
    call: async (model) => {
      const messages = [{ role: "user", content: "hello" }], tools = [{ name: "lookup", input_schema: parameters }], max_tokens = 99;
      const { content, stop_reason } = await anthropic.messages.create({ model, max_tokens, messages, tools });
      const call = content.find((c) => c.type === "tool_use");
      equal(stop_reason, "tool_use");
      messages.push({ role: "assistant", content }, { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "four" }] });
      await anthropic.messages.create({ model, max_tokens, messages, tools });
      return [call.name, call.input];
    },
    callStreamed: async (model) => {
      const { content, stop_reason } = await anthropic.messages.stream({ model, max_tokens: 99, messages: [{ role: "user", content: "hello" }], tools: [{ name: "lookup", input_schema: parameters }] }).finalMessage();
      equal(stop_reason, "tool_use");
      const call = content.find((c) => c.type === "tool_use");
      return [call.name, call.input];
    },
    see: (model) => anthropic.messages.create({ model, max_tokens: 99, messages: [{ role: "user", content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: pixel } }] }] }),
    form: (model) => anthropic.messages.create({ model, max_tokens: 99, messages: [{ role: "user", content: "hello" }], output_config: { format: { type: "json_schema", schema: parameters } } }),
    failure: Anthropic.APIError,
  },
  google: {
    text: async (model) => (await google.models.generateContent({ model, contents: "hello" })).text,
    stream: async (model) => {
      let text = "";
      for await (const c of await google.models.generateContentStream({ model, contents: "hello" })) text += c.text ?? "";
      return text;
    },
    call: async (model) => {
      const contents = [{ role: "user", parts: [{ text: "hello" }] }], config = { tools: [{ functionDeclarations: [{ name: "lookup", parametersJsonSchema: parameters }] }] };
      const answer = await google.models.generateContent({ model, contents, config });
      const [call] = answer.functionCalls;
      contents.push(answer.candidates[0].content, { role: "user", parts: [{ functionResponse: { id: call.id, name: call.name, response: { output: "four" } } }] });
      await google.models.generateContent({ model, contents, config });
      return [call.name, call.args];
    },
    callStreamed: async (model) => {
      const calls = [];
      for await (const c of await google.models.generateContentStream({ model, contents: "hello", config: { tools: [{ functionDeclarations: [{ name: "lookup", parametersJsonSchema: parameters }] }] } })) calls.push(...(c.functionCalls ?? []));
      return [calls[0].name, calls[0].args];
    },
    see: (model) => google.models.generateContent({ model, contents: [{ role: "user", parts: [{ inlineData: { mimeType: "image/png", data: pixel } }, { text: "what?" }] }] }),
    form: (model) => google.models.generateContent({ model, contents: "hello", config: { responseMimeType: "application/json", responseJsonSchema: parameters } }),
    failure: ApiError,
  },
};
const providerOptions = { openai: { store: false } }; // or it refers to answers that the vendor is to keep
for (const [name, provider] of Object.entries(vercel)) {
  clients["vercel, " + name] = {
    text: async (model) => (await generateText({ model: provider(model), prompt: "hello", providerOptions, maxRetries: 0 })).text,
    stream: async (model) => {
      let text = "", error;
      for await (const part of streamText({ model: provider(model), prompt: "hello", providerOptions, maxRetries: 0, onError: () => {} }).fullStream) {
        if (part.type === "text-delta") text += part.text;
        if (part.type === "error") error = part.error;
      }
      if (error) throw APICallError.isInstance(error) ? error : new APICallError({ message: JSON.stringify(error), url: base, requestBodyValues: {} }); // it gives what the stream said
      return text;
    },
    call: async (model) => {
      let got;
      const lookup = tool({ inputSchema: jsonSchema(parameters), execute: async (input) => ((got = input), "four") });
      const { toolCalls } = await generateText({ model: provider(model), prompt: "hello", tools: { lookup }, providerOptions, maxRetries: 0 });
      const messages = [{ role: "user", content: "hello" }];
      const { response } = await generateText({ model: provider(model), messages, tools: { lookup }, providerOptions, maxRetries: 0 });
      await generateText({ model: provider(model), messages: [...messages, ...response.messages], tools: { lookup }, providerOptions, maxRetries: 0 });
      return [toolCalls[0].toolName, got];
    },
    callStreamed: async (model) => {
      const { toolCalls } = streamText({ model: provider(model), prompt: "hello", tools: { lookup: tool({ inputSchema: jsonSchema(parameters) }) }, providerOptions, maxRetries: 0 });
      const [call] = await toolCalls;
      return [call.toolName, call.input];
    },
    see: (model) => generateText({ model: provider(model), providerOptions, maxRetries: 0, messages: [{ role: "user", content: [{ type: "image", image: pixel, mediaType: "image/png" }] }] }),
    form: async (model) => {
      try {
        await generateText({ model: provider(model), prompt: "hello", output: Output.object({ schema: jsonSchema(parameters) }), providerOptions, maxRetries: 0 });
      } catch (err) {
        if (!NoObjectGeneratedError.isInstance(err)) throw err; // the mock's words are no JSON
      }
    },
    failure: APICallError,
  };
}

// arrived throws unless the last call brought all the words to the mock upstream.
async function arrived(...words) {
  const { body } = await (await fetch(process.env.MOCK_URL + "/__last")).json();
  for (const word of words) if (!body.includes(word)) throw new Error(`${word} did not arrive: ${body}`);
}
for (const [name, c] of Object.entries(clients)) {
  for (const up of upstreams) {
    await check(`${name} to ${up}: whole, streamed, an image, a schema`, async () => {
      const text = await c.text(up + "-mock"), streamed = await c.stream(up + "-mock");
      if (!text.startsWith("The quick brown fox")) throw new Error(text);
      if (!streamed.startsWith("token000 token001 ") || !streamed.endsWith("token049 ")) throw new Error(streamed);
      await c.see(up + "-mock");
      await arrived(pixel);
      await c.form?.(up + "-mock");
      if (c.form) await arrived("legs");
    });
    if (callers.includes(up)) await check(`${name} to ${up}: a tool, and its result`, async () => {
      const want = ["lookup", { animal: "fox", legs: 4 }];
      equal(await c.call(up + "-mock"), want);
      await arrived("four", "fox");
      equal(await c.callStreamed(up + "-mock"), want);
    });
    await check(`${name} to ${up}: what fails is an error`, async () => {
      for (const [model, status] of failures(up)) {
        for (const way of [c.text, c.stream]) {
          const err = await raises(c.failure, () => way(model), model);
          equal([model, err.status ?? err.statusCode], [model, status]);
        }
      }
      for (const cut of cuts) await raises(c.failure, () => c.stream(`${up}-mock+fault=${cut}`), cut);
    });
  }
}
for (const [name, c] of Object.entries(clients)) await check(`${name}: a stream that falls silent is an error`, () => raises(c.failure, () => c.stream("silent-mock")));
await check("tokens are counted: anthropic by gemini, google by anthropic, openai by anthropic", async () => {
  equal((await anthropic.messages.countTokens({ model: "gemini-mock", messages: [{ role: "user", content: "hello" }] })).input_tokens > 0, true);
  equal((await google.models.countTokens({ model: "anthropic-mock", contents: "hello" })).totalTokens, 19);
  equal((await openai.responses.inputTokens.count({ model: "anthropic-mock", input: "hello" })).input_tokens, 19);
});
await check("embeddings: openai to gemini, google to openai, vercel both ways", async () => {
  equal((await openai.embeddings.create({ model: "gemini-mock", input: ["one", "two"] })).data.length, 2);
  const { embeddings } = await google.models.embedContent({ model: "openai-mock", contents: ["one", "two"] });
  if (embeddings.length !== 2 || typeof embeddings[0].values[0] !== "number") throw new Error("no numbers");
  const way = { openai: createOpenAI({ baseURL: base + "/v1", apiKey }).textEmbeddingModel("gemini-mock"), google: vercel.gemini.textEmbeddingModel("openai-mock") };
  for (const model of Object.values(way)) equal((await embedMany({ model, values: ["one", "two"], maxRetries: 0 })).embeddings.length, 2);
});
end();
