import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { Batcher } from '@posthorn/postgres/batcher.js';
import type { Database } from '@posthorn/postgres/database.js';
import { keptFacts, type SendRequest, type StoredFacts } from '../domain/send-request.js';
import { decide, type Decision } from '../domain/sending-rules/decide.js';
import { candidatesOf } from '../domain/sending-rules/recipient-places.js';
import { PERMITS_MAX, type NewDecision, type PermitStore } from '../persistence/permit.store.js';
import type { ApplyWaiting } from './apply-waiting.js';
import type { Backlog } from './backlog.js';
import type { PermitMetrics } from './permit-metrics.js';
import { LinksChanged, linksUnstable, type GatherFacts } from './gather-facts.js';
import type { SettlePersons } from './settle-persons.js';

const LANES_MAX = 3;
const WAITING_MAX = 2_000;
const TRIES_MAX = 3;

/** What was decided, under the ID that the decision, and the permit if it is one, has. */
export interface Permit {
  /** UUID text. */
  readonly id: string;
  readonly decision: Decision;
}

const needsWriting = ({ answersEventId }: SendRequest, stored: StoredFacts): boolean =>
  stored.isPendingInPart || (stored.isPendingOptOut && answersEventId !== undefined);

interface Asked {
  readonly request: SendRequest;
  /** What the person said has been written as far as it can be; what waits all the same is a reason to refuse. */
  readonly isWritten: boolean;
}

/**
 * Says whether a message may be sent now. Every answer is committed before it is given, with the rule that
 * decided; requests that come at the same time share a transaction.
 */
export class RequestPermit {
  /** Undefined: not decided, as an opt-out of the person waits to be written. */
  private readonly batcher = new Batcher<Asked, Permit | undefined>((asked) => this.decideAll(asked), {
    ...{ itemsMax: PERMITS_MAX, lanesMax: LANES_MAX, waitingMax: WAITING_MAX },
  });

  constructor(
    private readonly db: Database,
    private readonly waiting: ApplyWaiting,
    private readonly settle: SettlePersons,
    private readonly gather: GatherFacts,
    private readonly permits: PermitStore,
    private readonly backlog: Backlog,
    private readonly metrics: PermitMetrics,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `store.*`: then nothing may be sent. */
  async run(request: SendRequest): Promise<Permit> {
    const startMs = this.clock.monotonicMs();
    const permit =
      (await this.batcher.add({ request, isWritten: false })) ?? (await this.decideWritten(request));
    this.metrics.decided(permit.decision.kind, this.clock.monotonicMs() - startMs);
    return permit;
  }

  /** A row that waits stops everything; what was said may stop less, or may be answered. */
  private async decideWritten(request: SendRequest): Promise<Permit> {
    await this.waiting.of(request.person);
    return (await this.batcher.add({ request, isWritten: true }))!;
  }

  private async decideAll(asked: readonly Asked[]): Promise<(Permit | undefined)[]> {
    const requests = asked.map(({ request }) => request);
    for (let tries = 1; ; tries += 1) {
      try {
        await this.settle.run(requests.map(({ person }) => person));
        return await this.db.transaction(async (tx) => {
          const stored = await this.gather.run(tx, requests, this.clock.nowMs());
          const decided = asked.flatMap(({ request, isWritten }, at) =>
            isWritten || !needsWriting(request, stored[at]!) ? [{ at, request, stored: stored[at]! }] : [],
          );
          const permits = asked.map((): Permit | undefined => undefined);
          if (decided.length === 0) return permits;
          const decisions = this.judge(decided, this.clock.nowMs());
          const kept = decisions.map((each) => each.kept);
          const allowed = kept.filter(({ kind }) => kind === 'allow');
          await tx.commitWith(() =>
            Promise.all([
              this.permits.addDecisions(tx, kept),
              this.permits.open(
                tx,
                allowed.map((each) => ({ ...each, isMarketing: each.category === 'marketing' })),
              ),
            ]),
          );
          decisions.forEach(({ kept, decision }, n) => (permits[decided[n]!.at] = { id: kept.id, decision }));
          return permits;
        });
      } catch (error) {
        if (!(error instanceof LinksChanged)) throw error;
        if (tries === TRIES_MAX) throw linksUnstable();
      }
    }
  }

  /** One after the other: what is allowed here counts for the caps of the next. */
  private judge(
    decided: readonly { readonly request: SendRequest; readonly stored: StoredFacts }[],
    nowMs: number,
  ): { kept: NewDecision; decision: Decision }[] {
    const allowedNow: bigint[] = [];
    return decided.map(({ request, stored }) => {
      const { group, sentRecently } = stored;
      const sentNow = allowedNow.filter((lock) => group.includes(lock)).map(() => nowMs);
      const facts = { ...stored, sentRecently: [...sentRecently, ...sentNow] };
      const isCaughtUp = this.backlog.isCaughtUp(request.person.tenantId);
      const candidates = candidatesOf({ ...request, nowMs });
      const decision = decide({ ...request, ...facts, nowMs, isCaughtUp }, candidates);
      if (decision.kind === 'allow' && request.category === 'marketing') allowedNow.push(group[0]!);
      const { person, messageId, sourceId, channel, category, program, isReplay } = request;
      const kept: NewDecision = {
        ...{
          id: uuidText(newUuid(nowMs)),
          person,
          messageId,
          sourceId,
          channel,
          category,
          program,
          isReplay,
        },
        ...{ kind: decision.kind, rule: decision.rule, decidedAtMs: nowMs },
        detail: decision.kind === 'allow' ? '' : decision.detail,
        untilMs: decision.kind === 'defer' ? decision.untilMs : 0,
        policyVersion: facts.policyVersion,
        facts: keptFacts(request, facts, isCaughtUp, candidates),
      };
      return { kept, decision };
    });
  }
}
