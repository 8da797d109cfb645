import { SystemClock } from '@posthorn/clock/clock.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import type { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { Metrics } from '@posthorn/server/metrics.js';
import type { TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { FireRules } from '../src/application/fire-rules.js';
import { FollowLog } from '../src/application/follow-log.js';
import { PausedSources } from '../src/application/paused-sources.js';
import { PlanMedia } from '../src/application/plan-media.js';
import { ProjectEvents } from '../src/application/project-events.js';
import { ProjectionMetrics } from '../src/application/projection-metrics.js';
import { RelayFacts } from '../src/application/relay-facts.js';
import { RuleBook } from '../src/application/rule-book.js';
import { RuleMetrics } from '../src/application/rule-metrics.js';
import { RuleTallies } from '../src/application/rule-tallies.js';
import { ConversationStore } from '../src/persistence/conversation.store.js';
import { LogRead } from '../src/persistence/log.read.js';
import { MediaStore } from '../src/persistence/media.store.js';
import { ParkedRead } from '../src/persistence/parked.store.js';
import { ProjectionStore } from '../src/persistence/projection.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { RuleEffectStore } from '../src/persistence/rule-effect.store.js';
import { RuleStore } from '../src/persistence/rule.store.js';

/** A projector that the test moves by hand, as the holder of all lanes. */
export async function projectorOf(
  database: TestDatabase,
  store = new ProjectionStore(),
  edge: ConstructorParameters<typeof PausedSources>[1] = NOTHING_PAUSED,
  wanting: ConstructorParameters<typeof PlanMedia>[1] = NO_MEDIA,
) {
  const db = database.database(ROLES.worker, { isKeyed: true });
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
  const ruleMetrics = new RuleMetrics(new Metrics());
  const tallies = new RuleTallies(clock);
  const link = { publish: () => {}, subscribe: () => {} };
  const book = new RuleBook(db, new RuleStore(), tallies, link, clock, log, ruleMetrics);
  const fire = new FireRules(new RuleEffectStore(), tallies, { wake: () => {} }, clock, ruleMetrics);
  const media = new PlanMedia(new MediaStore(), wanting, clock, { deadlineMs: 86_400_000 });
  const project = new ProjectEvents(
    ...([db, store, new ConversationStore(), book, fire, media, relay, clock, tracer, log, metrics] as const),
  );
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
    new PausedSources(new ParkedRead(db), edge, clock),
    relay,
    { pressure: 'none' },
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
  return { project, read, held, published, drain, book };
}
const NO_MEDIA = { isReady: true, tenant: () => undefined };
const NOTHING_PAUSED = { isReady: true, source: () => undefined, onChange: () => {} };
/** Longer than the loop's sweep interval, so that the next step looks at every lane. */
const SWEEP_MS = 1_000;
