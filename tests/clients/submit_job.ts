// Submits a job with the client that openapi-typescript generated (schema.d.ts), and waits for its result.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { env: Record<string, string>; stdout: { write(text: string): void } };

type Job = components["schemas"]["JobInfo"];
const { BASE_URL: baseUrl, API_KEY: apiKey } = process.env;
const client = createClient<paths>({ baseUrl: baseUrl!, headers: { "x-api-key": apiKey! } });

async function submit(seed: number): Promise<Job> {
  // Only `prompt` is required: this must compile.
  const { data, error } = await client.POST("/jobs", { body: { prompt: "a red circle", seed } });
  if (error) throw new Error(error.code satisfies components["schemas"]["ErrorCode"]);
  return data;
}

async function finished(id: string): Promise<Job> {
  for (let poll = 0; poll < 900; poll++) {
    const { data, error } = await client.GET("/jobs/{job_id}", { params: { path: { job_id: id } } });
    if (error) throw new Error(error.detail);
    if (data.status !== "queued" && data.status !== "running") return data;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`job ${id} did not finish`);
}

const { data: health } = await client.GET("/health");
const job = await finished((await submit(Number(process.env.SEED))).id);
const unknown = await client.GET("/jobs/{job_id}", { params: { path: { job_id: "none" } } });
const image = job.result?.images[0];
process.stdout.write(
  JSON.stringify({ health: health?.status, status: job.status, seed: image?.seed, unknown: unknown.error?.code }),
);
