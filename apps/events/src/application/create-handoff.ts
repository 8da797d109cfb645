import type { Clock } from '@posthorn/clock/clock.js';
import { idOfUuid, newUuid, uuidBytes, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { AuditActor, AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import type { Database } from '@posthorn/postgres/database.js';
import { isHandoffReason, type Handoff } from '../domain/handoff.js';
import type { HandoffStep } from '../domain/handoff-step.js';
import type { ConversationRead } from '../persistence/conversation.read.js';
import type { HandoffStepStore } from '../persistence/handoff-step.store.js';
import type { HandoffStore } from '../persistence/handoff.store.js';
import type { AppendSteps } from './append-steps.js';
import type { SealContent } from './seal-content.js';

/** What the bot, or a person, asks for. IDs are UUID texts. */
export interface HandoffRequest {
  readonly tenantId: string;
  readonly conversationId: string;
  readonly actor: string;
  readonly by: AuditActor;
  readonly key: string;
  readonly reason: string;
  readonly queue: string;
  readonly priority: number;
  /** JSON object, or empty. */
  readonly contextJson: string;
  readonly traceparent: string;
}

export const CONTEXT_BYTES_MAX = 32_768;
export const NAME_LENGTH_MAX = 128;
const PRIORITY_MAX = 9;

/** Puts a conversation into the agents' queue. */
export class CreateHandoff {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly conversations: Pick<ConversationRead, 'get'>,
    private readonly handoffs: Pick<HandoffStore, 'create'>,
    private readonly steps: Pick<HandoffStepStore, 'add'>,
    private readonly seal: SealContent,
    private readonly append: AppendSteps,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly clock: Clock,
  ) {}

  /**
   * Once per key; a conversation whose hand-off is open keeps that one.
   * @throws AppError `request.invalid`, `conversation.not_found`, `data_key.unavailable`.
   */
  async run(request: HandoffRequest): Promise<{ handoff: Handoff; isNew: boolean }> {
    check(request);
    const { tenantId, conversationId, actor, reason } = request;
    const eventId = newUuid(this.clock.nowMs());
    const sealed = this.seal.run(uuidBytes(tenantId), eventId, request.contextJson);
    const { handoff, isNew, step } = await this.db.tenantTransaction(tenantId, async (tx) => {
      const conversation = await this.conversations.get(tx, tenantId, conversationId);
      if (conversation === undefined) throw new AppError('conversation.not_found');
      const draft = { ...request, handoffId: uuidText(eventId), requestedBy: actor };
      const created = await this.handoffs.create(tx, draft);
      if (!created.isNew) return { ...created, step: undefined };
      const added: HandoffStep = {
        tenantId: uuidBytes(tenantId),
        eventId,
        handoffId: eventId,
        conversationId: uuidBytes(conversationId),
        type: 'conversation.escalated',
        target: '',
        actor,
        note: reason,
        channel: conversation.channel,
        personHash: conversation.personHash,
        occurredAtMs: created.atMs,
        traceparent: request.traceparent,
        sealed,
      };
      await this.steps.add(tx, added);
      const detail = { reason, handoffId: idOfUuid('evt', draft.handoffId) };
      const act = { action: added.type, target: idOfUuid('cnv', conversationId), detail };
      await this.audit.add(tx, [{ tenantId, actor: request.by, ...act }]);
      return { ...created, step: added };
    });
    await this.append.run(step === undefined ? [] : [step]);
    return { handoff, isNew };
  }
}

function check({ reason, contextJson, priority, actor, key, queue }: HandoffRequest): void {
  const fields = [];
  if (!isHandoffReason(reason)) fields.push({ path: 'reason', message: 'must be one of the list' });
  if (Buffer.byteLength(contextJson) > CONTEXT_BYTES_MAX)
    fields.push({ path: 'context', message: `must be at most ${CONTEXT_BYTES_MAX} bytes` });
  else if (contextJson !== '' && !isJsonObject(contextJson))
    fields.push({ path: 'context', message: 'must be a JSON object' });
  if (priority > PRIORITY_MAX) fields.push({ path: 'priority', message: `must be at most ${PRIORITY_MAX}` });
  for (const [path, text] of Object.entries({ actor, key, queue }))
    if (text.length > NAME_LENGTH_MAX)
      fields.push({ path, message: `must be at most ${NAME_LENGTH_MAX} characters` });
  if (actor === '') fields.push({ path: 'actor', message: 'must be given' });
  if (fields.length > 0) throw new AppError('request.invalid', { fields });
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
