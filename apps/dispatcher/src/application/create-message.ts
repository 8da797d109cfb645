import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid, parseId } from '@posthorn/clock/id.js';
import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import type { EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { AuditActor } from '@posthorn/postgres/audit-outgoing.js';
import { addressProblem, normalizeAddress } from '@posthorn/providers/address.js';
import type { EventsClient } from '../clients/events.client.js';
import {
  type Category,
  type Channel,
  type MessageBody,
  type Sender,
  VALID_FOR_MS_DEFAULT,
} from '../domain/command.js';
import { type CommandView } from '../domain/command-view.js';
import type { NewCommand } from '../persistence/command.inserts.js';
import type { CommandKey } from '../persistence/command-key.store.js';
import { sealContent } from './command-content.js';
import type { CommitMessages } from './commit-messages.js';
import { viewOfNew } from './first-answer.js';
import { isRoute, type SendRoute, type SendRoutes } from './send-routes.js';

const DAY_MS = 86_400_000;
const IDEMPOTENCY_MS = DAY_MS;
/** Longer than events are kept: a replay of the oldest must meet the key. */
const EFFECT_MS = 400 * DAY_MS;

/** What somebody asks to be sent. IDs are 16 bytes, empty when there is none; times Unix milliseconds, 0 = none. */
export interface MessageRequest {
  /** `ten_…` */
  readonly tenantId: string;
  /** `src_…` */
  readonly sourceId: string;
  readonly idempotencyKey: string;
  /** The request as bytes, without its key: the same bytes are the same request. */
  readonly fingerprint: Uint8Array;
  readonly body: MessageBody;
  readonly channel: Channel;
  readonly category: Category;
  readonly program: string;
  readonly campaign: string;
  readonly replyTo: Buffer;
  readonly sender: Sender;
  readonly fencingToken: bigint;
  readonly answersEventId: Buffer;
  readonly ruleId: Buffer;
  readonly triggerEventId: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly lastInboundAtMs: number;
  readonly isReplay: boolean;
  /** For the audit log; undefined when nobody asks. */
  readonly by: AuditActor | undefined;
  readonly traceparent: string;
}

/** A message that was asked for. */
export interface CreatedMessage {
  readonly messageId: Buffer;
  /** Undefined: it was there before, and may have moved since. */
  readonly view: CommandView | undefined;
}

/** Takes a message: afterwards it leaves once, or its state says why not. */
export class CreateMessage {
  constructor(
    private readonly routes: Pick<SendRoutes, 'find' | 'hashKeyOf'>,
    private readonly events: Pick<EventsClient, 'checkOwner'>,
    private readonly messages: Pick<CommitMessages, 'add' | 'find'>,
    private readonly clock: Clock,
  ) {}

  /**
   * @throws AppError `tenant.not_found`, `source.not_found`, `source.cannot_send`, `conversation.not_found`,
   * `data_key.unavailable`, `service.unavailable`, `store.overloaded`, `request.invalid`; `idempotency.conflict` when
   * the key was used with another body.
   */
  async create(request: MessageRequest): Promise<CreatedMessage> {
    const route = this.routes.find(request.tenantId, request.sourceId, request.channel);
    if (!isRoute(route)) throw new AppError(route.errorCode, { detail: route.detail });
    const { hashKey } = route.tenant;
    if (hashKey === undefined || route.tenant.shards.length === 0) throw new AppError('data_key.unavailable');
    const nowMs = this.clock.nowMs();
    const { command, isOwnConversation } = newCommand(request, route, hashKey, nowMs);
    // A rule answers in the conversation of its event.
    if (!isOwnConversation && request.ruleId.length === 0) await this.checkConversation(command);
    const made = await this.messages.add({ command, key: keyOf(request, hashKey, nowMs), by: request.by });
    return { messageId: made.messageId, view: made.isRepeated ? undefined : viewOfNew(command) };
  }

  /**
   * The message that the same request made before, when it would be refused now: its time is over, or its source gone.
   * @returns undefined when there was none.
   */
  async earlier(
    tenantId: string,
    request: Pick<MessageRequest, 'idempotencyKey' | 'fingerprint'>,
  ): Promise<CreatedMessage | undefined> {
    const [hashKey, tenantUuid] = [this.routes.hashKeyOf(tenantId), parseId('ten', tenantId)];
    if (request.idempotencyKey === '' || hashKey === undefined || tenantUuid === undefined) return undefined;
    const messageId = await this.messages.find(
      tenantUuid,
      callersKeyOf(request, hashKey, this.clock.nowMs()),
    );
    return messageId && { messageId, view: undefined };
  }

  /** What is said to one person is no part of a conversation with another, and goes by who owns that person's own. */
  private async checkConversation(command: NewCommand): Promise<void> {
    const { contact } = await this.events.checkOwner(command);
    if (contact === 'unknown') throw new AppError('conversation.not_found');
    if (contact === 'other')
      throw invalid('replyTo', 'is a conversation with somebody else, or on another channel');
  }
}

/** `isOwnConversation`: it is part of the one that it would be in without being told. */
function newCommand(
  request: MessageRequest,
  route: SendRoute,
  hashKey: Buffer,
  nowMs: number,
): { readonly command: NewCommand; readonly isOwnConversation: boolean } {
  const { tenant, source } = route;
  const body = withSender(request.body, route);
  const problem =
    request.ruleId.length > 0 ? undefined : addressProblem(body.to, request.channel, isBare(source));
  const person = normalizeAddress(body.to);
  if (problem !== undefined || person === '') throw invalid('to', problem ?? 'is empty');
  const personHash = keyedHash(hashKey, 'person', person);
  const isScheduled = request.notBeforeMs > nowMs;
  const dueAtMs = isScheduled ? request.notBeforeMs : nowMs;
  const messageId = newUuid(nowMs);
  const ours = normalizeAddress(body.from);
  const ownConversation = keyedHash(hashKey, 'conversation', request.channel, person, ours);
  const conversationId = request.replyTo.length > 0 ? request.replyTo : ownConversation;
  const command: NewCommand = {
    messageId,
    tenantId: tenant.uuid,
    sourceUuid: source.uuid,
    shard: shardOf(tenant, personHash),
    channel: request.channel,
    category: request.category,
    program: request.program,
    campaign: request.campaign,
    personHash,
    conversationId,
    sender: request.sender,
    fencingToken: request.fencingToken,
    answersEventId: request.answersEventId,
    ruleId: request.ruleId,
    triggerEventId: request.triggerEventId,
    isReplay: request.isReplay,
    lastInboundAtMs: request.lastInboundAtMs,
    notAfterMs: request.notAfterMs > 0 ? request.notAfterMs : dueAtMs + VALID_FOR_MS_DEFAULT,
    createdAtMs: nowMs,
    traceparent: request.traceparent,
    state: isScheduled ? 'scheduled' : 'accepted',
    dueAtMs,
    sealed: sealContent(tenant, messageId, body, dueAtMs),
  };
  return { command, isOwnConversation: conversationId.equals(ownConversation) };
}

/** Our own address: the one asked for, else the source's. */
function withSender(body: MessageBody, { settings }: SendRoute): MessageBody {
  const own = settings['from'];
  return body.from === '' && typeof own === 'string' ? { ...body, from: own } : body;
}

/** All commands to a person share a lane, as all events of a person do. */
const shardOf = ({ shards }: EdgeTenant, personHash: Buffer): number =>
  shards[personHash.readUInt32BE(0) % shards.length]!;

/** What makes another request the same: a rule's send is made once for its event, a caller's once for its key. */
function keyOf(request: MessageRequest, hashKey: Buffer, nowMs: number): CommandKey | undefined {
  const { idempotencyKey, ruleId, triggerEventId } = request;
  if (ruleId.length === 0) return idempotencyKey === '' ? undefined : callersKeyOf(request, hashKey, nowMs);
  const keyHash = keyedHash(hashKey, 'dedup', 'command-effect', ruleId, triggerEventId);
  return { kind: 'effect', keyHash, bodyHash: bodyHashOf(request, hashKey), expiresAtMs: nowMs + EFFECT_MS };
}

function callersKeyOf(
  request: Pick<MessageRequest, 'idempotencyKey' | 'fingerprint'>,
  hashKey: Buffer,
  nowMs: number,
): CommandKey {
  const keyHash = keyedHash(hashKey, 'dedup', 'command-key', request.idempotencyKey);
  const bodyHash = bodyHashOf(request, hashKey);
  return { kind: 'idempotency', keyHash, bodyHash, expiresAtMs: nowMs + IDEMPOTENCY_MS };
}

const bodyHashOf = ({ fingerprint }: Pick<MessageRequest, 'fingerprint'>, hashKey: Buffer): Buffer =>
  keyedHash(hashKey, 'dedup', 'command-body', Buffer.from(fingerprint));

/** Vonage writes numbers without their +. Source: Vonage SMS API, "to", read 2026-11. */
const isBare = ({ provider }: SendRoute['source']): boolean => provider === 'vonage';

const invalid = (path: string, message: string): AppError =>
  new AppError('request.invalid', { fields: [{ path, message }] });
