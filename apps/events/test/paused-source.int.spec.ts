import { formatId, uuidText } from '@posthorn/clock/id.js';
import type { ConfigChange, EdgeSource } from '@posthorn/edge-config/edge-config.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import type { IntakeRequest } from '../src/domain/intake.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { EventRead } from '../src/persistence/event.read.js';
import { OutboxRead } from '../src/persistence/outbox.read.js';
import { ProjectionStore } from '../src/persistence/projection.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { projectorOf } from './projector.fixture.js';

let database: TestDatabase;
let store: AppendStore;
beforeEach(async () => {
  database = await createTestDatabase('paused source', [EVENTS_SCHEMA]);
  store = new AppendStore(database.database(ROLES.append));
});
afterEach(() => database.drop());

const LANE = 3;
const [tenantId, paused, other] = [id(), id(), id()];
const report = (sourceId: Buffer, name: string, status = 'sent', type?: string): IntakeRequest =>
  requestOf(
    [
      eventOf({
        shard: LANE,
        ...(type !== undefined && { type }),
        attributes: { providerMessageId: name, status },
      }),
    ],
    { tenantId, sourceId },
  );

/** What tenants says of the sources, by hand. */
class FakeEdge {
  isReady = true;
  private readonly pausedIds = new Set<string>();
  private readonly listeners: ((change: ConfigChange) => void)[] = [];

  readonly source = (sourceId: string): EdgeSource | undefined =>
    ({ isPaused: this.pausedIds.has(sourceId) }) as EdgeSource;
  readonly onChange = (listener: (change: ConfigChange) => void): void => void this.listeners.push(listener);

  set(sourceUuid: Buffer, isPaused: boolean): void {
    const sourceId = formatId('src', sourceUuid);
    if (isPaused) this.pausedIds.add(sourceId);
    else this.pausedIds.delete(sourceId);
    const change = { tenants: [], sources: [sourceId], destinations: [], isPlatformChanged: false };
    for (const listener of this.listeners) listener(change);
  }
}

const projector = async (edge: FakeEdge, projection = new ProjectionStore()) =>
  projectorOf(database, projection, edge);
const factNames = async (): Promise<string[]> => {
  const { facts } = await new OutboxRead(database.database(ROLES.worker)).page(LANE, 0n, 1_000);
  expect(facts.map(({ sequence }) => sequence)).toEqual(facts.map((_, index) => BigInt(index + 1)));
  return facts.map(({ providerMessageId }) => providerMessageId);
};
const stateOf = async ({ events: [event] }: IntakeRequest): Promise<string | undefined> =>
  database.database(ROLES.reader).tenantTransaction(uuidText(tenantId), async (tx) => {
    const found = await new EventRead().get(tx, uuidText(tenantId), uuidText(event!.eventId));
    return found?.state;
  });

test('I8 events of a paused source are stored and wait; others of the lane go on; a resume projects them in order', async () => {
  const edge = new FakeEdge();
  const { drain } = await projector(edge);
  edge.set(paused, true);
  const first = report(paused, 'P0');
  await store.insert([first, report(other, 'A'), report(paused, 'P1')]);
  await drain();
  await store.insert([report(paused, 'P2'), report(other, 'B')]);
  await drain();
  expect(await factNames()).toEqual(['A', 'B']);
  expect(await stateOf(first)).toBe('stored');
  edge.set(paused, false);
  await store.insert([report(paused, 'P3'), report(other, 'C')]);
  await drain();
  // P3 came when the source went on already, and still follows those that waited.
  expect(await factNames()).toEqual(['A', 'B', 'C', 'P0', 'P1', 'P2', 'P3']);
  expect(await stateOf(first)).toBe('projected');
  await store.insert([report(paused, 'P4')]);
  await drain();
  expect((await factNames()).at(-1)).toBe('P4');
});

test('I8 a backlog of many pages is projected once each, in order, also by another worker than the one that parked it', async () => {
  const edge = new FakeEdge();
  const one = await projector(edge);
  edge.set(paused, true);
  const names = Array.from({ length: 150 }, (_, n) => `P${n}`);
  await store.insert(names.map((name) => report(paused, name)));
  await one.drain();
  edge.set(paused, false);
  const two = await projector(edge);
  // The first lost its lanes: what it would commit now is refused.
  await expect(one.drain()).rejects.toMatchObject({ code: 'lease.lost' });
  await two.drain();
  expect(await factNames()).toEqual(names);
  const { rows } = await database.query('SELECT FROM events.parked');
  expect(rows).toEqual([]);
});

test('I8 a restart before the configuration is known releases nothing', async () => {
  const edge = new FakeEdge();
  const one = await projector(edge);
  edge.set(paused, true);
  await store.insert([report(paused, 'P0')]);
  await one.drain();
  const restarted = new FakeEdge();
  restarted.isReady = false;
  const two = await projector(restarted);
  await store.insert([report(paused, 'P1'), report(other, 'A')]);
  await two.drain();
  expect(await factNames()).toEqual(['A']);
  restarted.isReady = true;
  await two.drain();
  expect(await factNames()).toEqual(['A', 'P0', 'P1']);
});

test('I8 a poison event that waited goes to quarantine, and does not stop those behind it', async () => {
  const edge = new FakeEdge();
  const { drain } = await projector(edge);
  edge.set(paused, true);
  const poison = report(paused, 'P1', 'nonsense', 'message.nonsense');
  await store.insert([report(paused, 'P0'), poison, report(paused, 'P2')]);
  await drain();
  edge.set(paused, false);
  await drain();
  expect(await factNames()).toEqual(['P0', 'P2']);
  expect(await stateOf(poison)).toBe('quarantined');
});
