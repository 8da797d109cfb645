import type { Clock } from '@posthorn/clock/clock.js';
import { idOfUuid, newUuid, uuidBytes } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { AuditActor, AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import type { Database, Tx } from '@posthorn/postgres/database.js';
import type { Handoff } from '../domain/handoff.js';
import type { HandoffStep } from '../domain/handoff-step.js';
import type { ConversationRead } from '../persistence/conversation.read.js';
import type { HandoffStepStore } from '../persistence/handoff-step.store.js';
import type { HandoffStore, Stepped } from '../persistence/handoff.store.js';
import type { AppendSteps } from './append-steps.js';
import type { SealContent } from './seal-content.js';

/** Who acts on which conversation. IDs are UUID texts. */
export interface HandoffAct {
  readonly tenantId: string;
  readonly conversationId: string;
  readonly actor: string;
  readonly by: AuditActor;
  readonly traceparent: string;
  /** What the actor says about it; kept encrypted. */
  readonly note: string;
}

interface Taken {
  readonly stepped: Stepped | undefined;
  readonly type: HandoffStep['type'];
  readonly target?: HandoffStep['target'];
}

const NOTE_LENGTH_MAX = 2_000;
const OFFER_SECONDS_MAX = 3_600;

/**
 * What people do with a conversation that was handed over. Each act is decided under the row's lock, committed
 * with its step, and told to the log.
 * Only the token of the claim that holds acts on it: whoever's offer ran out, or was released, has an old one.
 */
export class StepHandoff {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly conversations: Pick<ConversationRead, 'get'>,
    private readonly handoffs: HandoffStore,
    private readonly steps: Pick<HandoffStepStore, 'add'>,
    private readonly seal: SealContent,
    private readonly append: AppendSteps,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly clock: Clock,
  ) {}

  /**
   * @param offerTimeoutSeconds how long it is an offer; 0 = accepted at once.
   * @throws AppError `handoff.not_claimable` unless it waits in the queue, `conversation.not_found`.
   */
  async claim(act: HandoffAct, offerTimeoutSeconds: number): Promise<Handoff> {
    if (offerTimeoutSeconds > OFFER_SECONDS_MAX)
      throw new AppError('request.invalid', {
        fields: [{ path: 'offerTimeoutSeconds', message: `must be at most ${OFFER_SECONDS_MAX}` }],
      });
    return this.required(act, async (tx, open) => {
      if (open?.state !== 'escalated') throw new AppError('handoff.not_claimable');
      const { tenantId, actor } = act;
      const stepped = await this.handoffs.claim(tx, tenantId, open.handoffId, actor, offerTimeoutSeconds);
      return { stepped, type: 'conversation.claimed' };
    });
  }

  /** Ends the offer's time limit. @throws AppError `handoff.token_mismatch`, `handoff.not_found`. */
  async accept(act: HandoffAct, token: bigint): Promise<Handoff> {
    return this.required(act, async (tx, open) => {
      const { handoffId } = owned(open, token);
      const stepped = await this.handoffs.accept(tx, act.tenantId, handoffId);
      return { stepped, type: 'conversation.accepted' };
    });
  }

  /** Back to the queue or to the bot. @throws AppError `handoff.token_mismatch`, `handoff.not_found`. */
  async release(act: HandoffAct, token: bigint, target: 'queue' | 'bot'): Promise<Handoff> {
    return this.required(act, async (tx, open) => {
      const { handoffId } = owned(open, token);
      const stepped =
        target === 'queue'
          ? await this.handoffs.requeue(tx, act.tenantId, handoffId)
          : await this.handoffs.end(tx, act.tenantId, handoffId, 'returned');
      return { stepped, type: 'conversation.released', target };
    });
  }

  /**
   * Also without a hand-off, and one that waits; of a claimed one only its owner.
   * @throws AppError `handoff.token_mismatch`, `conversation.not_found`.
   */
  async close(act: HandoffAct, token: bigint): Promise<Handoff | undefined> {
    return this.take(act, async (tx, open) => {
      if (open?.state === 'claimed') owned(open, token);
      const stepped = open && (await this.handoffs.end(tx, act.tenantId, open.handoffId, 'closed'));
      return { stepped, type: 'conversation.closed' };
    });
  }

  private async required(
    act: HandoffAct,
    decide: (tx: Tx, open: Handoff | undefined) => Promise<Taken>,
  ): Promise<Handoff> {
    return (await this.take(act, decide))!;
  }

  private async take(
    act: HandoffAct,
    decide: (tx: Tx, open: Handoff | undefined) => Promise<Taken>,
  ): Promise<Handoff | undefined> {
    if (act.note.length > NOTE_LENGTH_MAX)
      throw new AppError('request.invalid', {
        fields: [{ path: 'note', message: `must be at most ${NOTE_LENGTH_MAX} characters` }],
      });
    const { tenantId, conversationId, actor, traceparent } = act;
    const eventId = newUuid(this.clock.nowMs());
    const sealed = this.seal.run(uuidBytes(tenantId), eventId, act.note);
    const { step, handoff } = await this.db.tenantTransaction(tenantId, async (tx) => {
      const conversation = await this.conversations.get(tx, tenantId, conversationId);
      if (conversation === undefined) throw new AppError('conversation.not_found');
      const open = await this.handoffs.lockOpen(tx, tenantId, conversationId);
      const { stepped, type, target = '' } = await decide(tx, open);
      const added: HandoffStep = {
        tenantId: uuidBytes(tenantId),
        eventId,
        handoffId: stepped && uuidBytes(stepped.handoff.handoffId),
        conversationId: uuidBytes(conversationId),
        type,
        target,
        actor,
        note: '',
        channel: conversation.channel,
        personHash: conversation.personHash,
        occurredAtMs: stepped?.atMs ?? this.clock.nowMs(),
        traceparent,
        sealed,
      };
      await this.steps.add(tx, added);
      const detail = { before: seenOf(open), after: seenOf(stepped?.handoff), to: target };
      const acted = { action: type, target: idOfUuid('cnv', conversationId), detail };
      await this.audit.add(tx, [{ tenantId, actor: act.by, ...acted }]);
      return { step: added, handoff: stepped?.handoff };
    });
    await this.append.run([step]);
    return handoff;
  }
}

/** What the audit log says of a hand-off. */
const seenOf = (handoff: Handoff | undefined) =>
  handoff === undefined ? null : { id: idOfUuid('evt', handoff.handoffId), state: handoff.state };

function owned(open: Handoff | undefined, token: bigint): Handoff {
  if (open === undefined) throw new AppError('handoff.not_found');
  if (open.state !== 'claimed' || open.fencingToken !== token) throw new AppError('handoff.token_mismatch');
  return open;
}
