import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Random } from '../wire/random.js';
import { pause, waitFor } from '../wire/time.js';
import { RaceRunner } from './race-runner.js';

const UNDER_WAY_MAX = 4;
/** So many of the first are controls, which nobody stops. */
const CONTACTS = 10;
const SEEN = { timeoutMs: 4_000, pollMs: 5 };

let api: Server;
const asked: string[] = [];
beforeAll(async () => {
  api = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { content } = JSON.parse(Buffer.concat(chunks).toString()) as { content: { text: string } };
      asked.push(content.text);
      response.writeHead(202).end(JSON.stringify({ id: `msg_${asked.length}` }));
    });
  });
  await new Promise<void>((listening) => api.listen(0, '127.0.0.1', listening));
});
afterAll(() => new Promise((closed) => api.close(closed)));

test('E1 a message that nobody stops is under way until it is at the provider, however long they usually take', async () => {
  // Did break: after a kill messages were late by seconds, more were asked for than left, and no race was close any more.
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const lane = {
    ...{ tenant: 'ten_1', slug: 'acme', apiKey: 'key', sourceId: 'src_1', url, authToken: 'token' },
    ours: '+12025550100',
  };
  const contacts = Array.from({ length: CONTACTS }, (_, n) => ({
    ...{ lane, address: `+1202555${1_000 + n}`, category: 'transactional' as const },
  }));
  const runner = new RaceRunner({
    ...{ apiUrl: url, ingressUrl: url, contacts, ratePerSecond: 1_000, underWayMax: UNDER_WAY_MAX },
    ...{ messagesEach: 1, random: new Random(1) },
  });
  const run = runner.run();
  await waitFor('the first are asked for', () => (asked.length === UNDER_WAY_MAX ? true : undefined), SEEN);
  // One is soon there: what the others usually take is over then.
  runner.onArrival(asked[0]!);
  await waitFor('one more is asked for', () => (asked.length > UNDER_WAY_MAX ? true : undefined), SEEN);
  await pause(300);
  expect(asked).toHaveLength(UNDER_WAY_MAX + 1);
  const arriving = setInterval(() => asked.forEach((text) => runner.onArrival(text)), 5);
  const races = await run;
  clearInterval(arriving);
  expect(races).toHaveLength(CONTACTS);
  expect(races.filter(({ stop }) => stop !== undefined)).toEqual([]);
});
