import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hmac } from '@posthorn/crypto/hmac.js';
import { ApiClient } from './api-client.js';
import { type DemoSink } from './demo-sink.js';
import { type LocalFile } from './platform.js';

const SLUG = 'demo';
const OURS = '+15005550006';
const SEEN_TIMEOUT_MS = 20_000;
const SEEN_POLL_MS = 25;

/** What the demo keeps between starts: keys are shown once, so they are kept with the other local secrets. */
export interface DemoState {
  readonly tenant: string;
  readonly apiKey: string;
  readonly sourceId: string;
  readonly sourceUrl: string;
  readonly authToken: string;
  readonly destinationId: string;
  readonly signingSecret: string;
}

/** One step of the demo's conversation: what Twilio would post, and how it was answered. */
export interface DemoStep {
  readonly title: string;
  readonly status: number;
  readonly ackMs: number;
}

/** A stage of an event, as the API tells it. */
export interface TimelineEntry {
  readonly stage: string;
  readonly detail: string;
  readonly sinceReceivedMs: number;
}

/** An event with its stages. */
export interface DemoEvent {
  readonly id: string;
  readonly type: string;
  readonly signal: string | null;
  readonly entries: readonly TimelineEntry[];
}

/** Everything the demo did, for printing. */
export interface DemoRun {
  readonly steps: readonly DemoStep[];
  readonly events: readonly DemoEvent[];
  readonly suppressions: number;
}

/** A tenant with a Twilio source and a destination, and an SMS conversation through the front door. */
export class Demo {
  state: DemoState | undefined;

  constructor(
    private readonly dataDir: string,
    private readonly local: LocalFile,
    private readonly sink: DemoSink,
  ) {}

  /** Creates the tenant, or finds the one of an earlier start. */
  async prepare(): Promise<DemoState> {
    const file = join(this.dataDir, 'secrets', 'demo.json');
    this.state = await readState(file);
    if (this.state === undefined) {
      this.state = await this.create();
      await writeFile(file, `${JSON.stringify(this.state, null, 2)}\n`, { mode: 0o600 });
    }
    return this.state;
  }

  /** Posts the conversation as Twilio would, signed, and waits until every effect has arrived. */
  async run(state: DemoState): Promise<DemoRun> {
    const [contact, outbound] = [newContact(), sid()];
    const status = (text: string) => ({ MessageSid: outbound, MessageStatus: text, From: OURS, To: contact });
    const reply = (text: string) => ({
      MessageSid: sid(),
      From: contact,
      To: OURS,
      Body: text,
      NumMedia: '0',
    });
    const steps: DemoStep[] = [];
    for (const [title, fields] of [
      ['status: queued', status('queued')],
      ['status: sent', status('sent')],
      ['status: delivered', status('delivered')],
      ['reply: "Is Tuesday free?"', reply('Is Tuesday free?')],
      ['reply: "STOP"', reply('STOP')],
    ] as const) {
      steps.push(await post(title, state, fields));
    }
    const api = new ApiClient(this.local.apiUrl, state.apiKey);
    const events = await this.waitForEffects(api, state, steps.length);
    const { data } = await api.call<{ data: unknown[] }>('GET', `/v1/tenants/${SLUG}/suppressions?limit=1`);
    return { steps, events, suppressions: data.length };
  }

  private async create(): Promise<DemoState> {
    const operator = new ApiClient(this.local.apiUrl, this.local.operatorKey);
    const created = await operator.call<{ apiKey: { secret: string } }>('POST', '/v1/tenants', {
      slug: SLUG,
      name: 'Demo',
      country: 'US',
      timeZone: 'America/New_York',
    });
    const api = new ApiClient(this.local.apiUrl, created.apiKey.secret);
    const authToken = randomBytes(16).toString('hex');
    const source = await api.call<{ id: string; url: string }>('POST', `/v1/tenants/${SLUG}/sources`, {
      name: 'Twilio',
      provider: 'twilio',
      secret: authToken,
    });
    const destination = await api.call<{ id: string; signingSecret: string }>(
      'POST',
      `/v1/tenants/${SLUG}/destinations`,
      {
        name: 'Demo destination',
        url: this.sink.url,
        eventTypes: [],
      },
    );
    return {
      tenant: SLUG,
      apiKey: created.apiKey.secret,
      sourceId: source.id,
      sourceUrl: source.url,
      authToken,
      destinationId: destination.id,
      signingSecret: destination.signingSecret,
    };
  }

  /** The last fact of the story is the opt-out: it went through compliance and back through the log. */
  private async waitForEffects(api: ApiClient, state: DemoState, requests: number): Promise<DemoEvent[]> {
    const before = this.sink.deliveries.length;
    const deadline = performance.now() + SEEN_TIMEOUT_MS;
    for (;;) {
      const events = await latestEvents(api, requests);
      const isDelivered = this.sink.deliveries
        .slice(Math.max(0, before - requests))
        .some(({ type }) => type === 'consent.opted_out');
      const isComplete =
        events.length === requests &&
        events.every(({ entries }) => entries.some(({ stage }) => stage === 'attempt'));
      if ((isDelivered && isComplete) || performance.now() > deadline) return events;
      await new Promise((done) => setTimeout(done, SEEN_POLL_MS));
    }
  }
}

async function latestEvents(api: ApiClient, count: number): Promise<DemoEvent[]> {
  const list = await api.call<{
    data: { id: string; sourceId: string | null; type: string; signal: string | null }[];
  }>('GET', `/v1/tenants/${SLUG}/events?limit=${count * 4}`);
  const intake = list.data.filter(({ sourceId }) => sourceId !== null).slice(0, count);
  const events = await Promise.all(
    intake.map(async ({ id, type, signal }) => {
      const { entries } = await api.call<{ entries: TimelineEntry[] }>(
        'GET',
        `/v1/tenants/${SLUG}/events/${id}/timeline`,
      );
      return { id, type, signal, entries };
    }),
  );
  return events.reverse();
}

async function readState(file: string): Promise<DemoState | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as DemoState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const sid = (): string => `SM${randomBytes(16).toString('hex')}`;

/** A number of the range that is reserved for fiction, new at every start: the one before said STOP. */
const newContact = (): string =>
  `+1212555${String(100 + (randomBytes(2).readUInt16BE() % 100)).padStart(4, '0')}`;

/** Signs as Twilio does: the URL, then every field, sorted by name. */
export function twilioSignature(
  url: string,
  fields: Readonly<Record<string, string>>,
  authToken: string,
): string {
  const signed = Object.entries(fields)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => name + value)
    .join('');
  return hmac('sha1', authToken, url, signed).toString('base64');
}

async function post(
  title: string,
  state: DemoState,
  fields: Readonly<Record<string, string>>,
): Promise<DemoStep> {
  const startedAt = performance.now();
  const response = await fetch(state.sourceUrl, {
    method: 'POST',
    headers: { 'x-twilio-signature': twilioSignature(state.sourceUrl, fields, state.authToken) },
    body: new URLSearchParams(fields),
  });
  await response.arrayBuffer();
  return { title, status: response.status, ackMs: performance.now() - startedAt };
}
