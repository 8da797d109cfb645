import { endLeftovers, leftoversOf } from './leftovers.js';

test('what a killed run left is ended clients first: a Postgres that waits for them would never end', () => {
  const written = { platform: 1, postgres: 2, nats: 3, tenants: 4, events: 5, api: 6, ingress: 7 };
  const order = leftoversOf(written);
  expect(order.map(({ name }) => name)).toEqual(['ingress', 'api', 'events', 'tenants', 'nats', 'postgres']);
  // SIGTERM is the shutdown that waits for every client.
  expect(order.at(-1)!.steps[0]!.signal).toBe('SIGINT');
});

test('a number that is another program now is left alone', async () => {
  const said: string[] = [];
  await endLeftovers({ platform: 1, events: process.ppid }, ['/no/such/place'], (line) => said.push(line));
  expect(said).toEqual([]);
});
