import { SystemClock } from '@posthorn/clock/clock.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import type { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { Metrics } from '@posthorn/server/metrics.js';
import type { TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { FollowLog } from '../src/application/follow-log.js';
import { ProjectEvents } from '../src/application/project-events.js';
import { ProjectionMetrics } from '../src/application/projection-metrics.js';
import { RelayFacts } from '../src/application/relay-facts.js';
import { ConversationStore } from '../src/persistence/conversation.store.js';
import { LogRead } from '../src/persistence/log.read.js';
import { ProjectionStore } from '../src/persistence/projection.store.js';
import { ROLES } from '../src/persistence/roles.js';

/** A projector that the test moves by hand, as the holder of all lanes. */
export async function projectorOf(database: TestDatabase, store = new ProjectionStore()) {
  const db = database.database(ROLES.worker);
  const clock = new FakeClock(new SystemClock().nowMs());
  const { tracer, log } = testProcess('events');
  const published: { shard: number; fact: Fact }[] = [];
  const publisher = {
    publish: ({ shard, facts }: { shard: number; facts: Fact[] }) =>
      void published.push(...facts.map((fact) => ({ shard, fact }))),
    publishHeads: () => {},
  };
  const relay = new RelayFacts(publisher);
  const metrics = new ProjectionMetrics(new Metrics());
  const project = new ProjectEvents(db, store, new ConversationStore(), relay, clock, tracer, log, metrics);
  const { rows } = await database.query<{ shard: number; epoch: string }>(
    'UPDATE events.shard SET epoch = epoch + 1 RETURNING shard, epoch',
  );
  const held = new Map(rows.map(({ shard, epoch }) => [shard, BigInt(epoch)]));
  const leases = { held: () => held, onChange: () => {}, giveBack: () => Promise.resolve() };
  const read = new LogRead(db);
  const follow = new FollowLog(
    leases,
    read,
    project,
    relay,
    { isSaturated: false },
    { onWake: () => {} },
    clock,
    log,
    metrics,
  );
  /** Projects until a sweep over all lanes finds nothing more. */
  const drain = async (): Promise<void> => {
    clock.advance(SWEEP_MS);
    while (await follow.step());
  };
  return { project, read, held, published, drain };
}
/** Longer than the loop's sweep interval, so that the next step looks at every lane. */
const SWEEP_MS = 1_000;
