import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid } from '@posthorn/clock/id.js';
import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import type { EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { normalizeAddress } from '@posthorn/providers/address.js';
import {
  type Category,
  type Channel,
  type MessageBody,
  type Sender,
  VALID_FOR_MS_DEFAULT,
} from '../domain/command.js';
import type { CommandKey, CommandKeyStore } from '../persistence/command-key.store.js';
import type { CommandStore, NewCommand } from '../persistence/command.store.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { OutgoingEvent, OutgoingStore } from '../persistence/outgoing.store.js';
import { sealContent } from './command-content.js';
import type { CommandMetrics } from './command-metrics.js';
import { COMMANDS_WAKE } from './load-due.js';
import type { RelayWake } from './relay-wake.js';
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
  readonly traceparent: string;
}

/** Which command a request made, or had made before. */
export interface MadeMessage {
  readonly messageId: Buffer;
  readonly isRepeated: boolean;
}

/** Takes a message: afterwards it leaves once, or its state says why not. */
export class CreateMessage {
  constructor(
    private readonly db: Pick<WorkerDatabase, 'transaction'>,
    private readonly commands: Pick<CommandStore, 'insert'>,
    private readonly keys: Pick<CommandKeyStore, 'take'>,
    private readonly outgoing: Pick<OutgoingStore, 'add'>,
    private readonly routes: Pick<SendRoutes, 'find'>,
    private readonly wake: Pick<RelayWake, 'committed'>,
    private readonly link: Pick<NatsLink, 'publish'>,
    private readonly clock: Clock,
    private readonly metrics: Pick<CommandMetrics, 'onState'>,
  ) {}

  /**
   * One transaction: keys, command, sealed content, and what the log is told.
   * @throws AppError `tenant.not_found`, `source.not_found`, `source.cannot_send`, `data_key.unavailable`,
   * `service.unavailable`, `request.invalid`; `idempotency.conflict` when the key was used with another body.
   */
  async create(request: MessageRequest): Promise<MadeMessage> {
    const route = this.routes.find(request.tenantId, request.sourceId, request.channel);
    if (!isRoute(route)) throw new AppError(route.errorCode, { detail: route.detail });
    const { hashKey } = route.tenant;
    if (hashKey === undefined || route.tenant.shards.length === 0) throw new AppError('data_key.unavailable');
    const nowMs = this.clock.nowMs();
    const command = newCommand(request, route, hashKey, nowMs);
    const key = keyOf(request, hashKey, nowMs);
    const known = await this.db.transaction(async (tx) => {
      const taken = key && (await this.keys.take(tx, command.tenantId, key, command.messageId, nowMs));
      if (taken !== undefined) {
        if (key?.kind === 'idempotency' && !taken.bodyHash.equals(key.bodyHash))
          throw new AppError('idempotency.conflict');
        return taken.messageId;
      }
      await this.commands.insert(tx, command);
      await this.outgoing.add(tx, eventsOf(command), nowMs);
      return undefined;
    });
    if (known !== undefined) return { messageId: known, isRepeated: true };
    this.metrics.onState(command.state);
    this.wake.committed();
    this.link.publish(COMMANDS_WAKE);
    return { messageId: command.messageId, isRepeated: false };
  }
}

function newCommand(request: MessageRequest, route: SendRoute, hashKey: Buffer, nowMs: number): NewCommand {
  const { tenant, source } = route;
  const body = withSender(request.body, route);
  const person = normalizeAddress(body.to);
  if (person === '') throw invalid('to', 'is empty');
  const personHash = keyedHash(hashKey, 'person', person);
  const isScheduled = request.notBeforeMs > nowMs;
  const dueAtMs = isScheduled ? request.notBeforeMs : nowMs;
  const messageId = newUuid(nowMs);
  return {
    messageId,
    tenantId: tenant.uuid,
    sourceUuid: source.uuid,
    shard: shardOf(tenant, personHash),
    channel: request.channel,
    category: request.category,
    program: request.program,
    campaign: request.campaign,
    personHash,
    conversationId:
      request.replyTo.length > 0
        ? request.replyTo
        : keyedHash(hashKey, 'conversation', request.channel, person, normalizeAddress(body.from)),
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
  const { idempotencyKey, ruleId, triggerEventId, fingerprint } = request;
  const hash = (...parts: (string | Buffer)[]): Buffer => keyedHash(hashKey, 'dedup', ...parts);
  const bodyHash = hash('command-body', Buffer.from(fingerprint));
  if (ruleId.length > 0) {
    const keyHash = hash('command-effect', ruleId, triggerEventId);
    return { kind: 'effect', keyHash, bodyHash, expiresAtMs: nowMs + EFFECT_MS };
  }
  if (idempotencyKey === '') return undefined;
  const keyHash = hash('command-key', idempotencyKey);
  return { kind: 'idempotency', keyHash, bodyHash, expiresAtMs: nowMs + IDEMPOTENCY_MS };
}

/** The log learns of every command by `accepted`, with its content; of a scheduled one also until when it waits. */
function eventsOf(command: NewCommand): OutgoingEvent[] {
  const nothing = { providerMessageId: '', errorCode: '', signal: '', note: '', hasContent: false } as const;
  const accepted = { ...nothing, command, status: 'accepted', hasContent: true } as const;
  if (command.state === 'accepted') return [accepted];
  const note = `not before ${new Date(command.dueAtMs).toISOString()}`;
  return [accepted, { ...nothing, command, status: 'scheduled', note }];
}

const invalid = (path: string, message: string): AppError =>
  new AppError('request.invalid', { fields: [{ path, message }] });
