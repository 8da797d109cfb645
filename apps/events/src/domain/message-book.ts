import { applyReport, mergeEvidence, type Evidence, type ReportedState, type Step } from './message-state.js';
import {
  conversationIdOf,
  UnprojectableEvent,
  type LoggedEvent,
  type MessageRecord,
} from './project-event.js';

/** What names a message at its provider. */
export type MessageKey = Pick<MessageRecord, 'tenantId' | 'sourceId' | 'providerMessageId'>;

/** What names a command's message. */
export type MessageId = Pick<MessageRecord, 'tenantId' | 'messageId'>;

/** A row that turned out to be another one's message. */
export interface Merge {
  readonly tenantId: Buffer;
  readonly from: Buffer;
  readonly into: Buffer;
}

/** One event's effect on a message. */
export interface MessageStep {
  readonly step: Step;
  /** Undefined when the message is new. */
  readonly before: MessageRecord | undefined;
  readonly after: MessageRecord;
  /** The message that was merged into it by this event, as it was. */
  readonly merged: MessageRecord | undefined;
}

interface Slot {
  readonly found: MessageRecord | undefined;
  record: MessageRecord;
  isMergedAway: boolean;
}

const NOTHING_REPORTED: Evidence = new Map();

export const nameOfKey = ({ tenantId, sourceId, providerMessageId }: MessageKey): string =>
  `${tenantId.toString('latin1')}${sourceId.toString('latin1')}${providerMessageId}`;
export const nameOfId = ({ tenantId, messageId }: MessageId): string =>
  `${tenantId.toString('latin1')}${messageId.toString('latin1')}`;

/**
 * The messages of one batch, by both of their names.
 * A command's message has our ID from the start and the provider's ID later; a callback may know only the latter
 * and come first. It then makes a row of its own, which is merged as soon as an event says both names.
 */
export class MessageBook {
  private readonly byKey = new Map<string, Slot>();
  private readonly byId = new Map<string, Slot>();
  private readonly slots: Slot[] = [];

  constructor(found: readonly MessageRecord[]) {
    for (const record of found) this.put({ found: record, record, isMergedAway: false });
  }

  /** The message of a provider's ID, as far as it is known. */
  named(key: MessageKey): MessageRecord | undefined {
    return this.byKey.get(nameOfKey(key))?.record;
  }

  /** The two rows that an event can be about. */
  find(event: LoggedEvent): { byId: MessageRecord | undefined; byKey: MessageRecord | undefined } {
    const { idSlot, keySlot } = this.slotsOf(event);
    return { byId: idSlot?.record, byKey: keySlot?.record };
  }

  /**
   * Applies one report.
   * @param newMessageId makes the ID of a message that is new and no command.
   * @throws UnprojectableEvent when its names contradict what is known; nothing is changed then.
   */
  apply(event: LoggedEvent, reported: ReportedState, newMessageId: (nowMs: number) => Buffer): MessageStep {
    const { idSlot, keySlot } = this.slotsOf(event);
    const isNamed = event.attributes.messageId.length > 0;
    const mergedSlot = isNamed && keySlot !== undefined && keySlot !== idSlot ? keySlot : undefined;
    checkNames(event, idSlot?.record, mergedSlot?.record);
    const slot = isNamed ? idSlot : keySlot;
    const [before, merged] = [slot?.record, mergedSlot?.record];
    const { occurredAtMs, receivedAtMs } = event;
    const known = before?.evidence ?? NOTHING_REPORTED;
    const all = merged === undefined ? known : mergeEvidence(known, merged.evidence);
    const step = applyReport(all, reported, { occurredAtMs, receivedAtMs }, known);
    const after = recordOf(event, before, merged, step.evidence, newMessageId);
    if (mergedSlot !== undefined) mergedSlot.isMergedAway = true;
    this.set(slot, after);
    return { step, before, after, merged };
  }

  /** Replaces what is known of a message that `apply` gave. */
  amend(record: MessageRecord): void {
    this.byId.get(nameOfId(record))!.record = record;
  }

  /** What has to be written. A row that was made and merged within the batch never was one. */
  changes() {
    const live = this.slots.filter(({ isMergedAway }) => !isMergedAway);
    const isNew = ({ found }: Slot): boolean => found === undefined;
    return {
      created: live.filter(isNew).map(({ record }) => record),
      changed: live.filter((slot) => !isNew(slot) && slot.record !== slot.found).map(({ record }) => record),
      merged: this.slots
        .filter(({ isMergedAway, found }) => isMergedAway && found !== undefined)
        .map(({ record }) => ({
          tenantId: record.tenantId,
          from: record.messageId,
          into: this.heirOf(record),
        })),
    };
  }

  /** The message that now has this one's events: itself, or the one that it was merged into. */
  final(record: MessageId): MessageRecord {
    const slot = this.byId.get(nameOfId(record))!;
    if (!slot.isMergedAway) return slot.record;
    return this.byKey.get(nameOfKey(slot.record))!.record;
  }

  private heirOf(record: MessageRecord): Buffer {
    return this.byKey.get(nameOfKey(record))!.record.messageId;
  }

  private slotsOf({ tenantId, sourceId, attributes }: LoggedEvent) {
    const { messageId, providerMessageId } = attributes;
    return {
      idSlot: messageId.length === 0 ? undefined : this.byId.get(nameOfId({ tenantId, messageId })),
      keySlot:
        providerMessageId === ''
          ? undefined
          : this.byKey.get(nameOfKey({ tenantId, sourceId, providerMessageId })),
    };
  }

  private set(slot: Slot | undefined, record: MessageRecord): void {
    if (slot === undefined) return this.put({ found: undefined, record, isMergedAway: false });
    slot.record = record;
    if (record.providerMessageId !== '') this.byKey.set(nameOfKey(record), slot);
  }

  private put(slot: Slot): void {
    this.slots.push(slot);
    this.byId.set(nameOfId(slot.record), slot);
    if (slot.record.providerMessageId !== '') this.byKey.set(nameOfKey(slot.record), slot);
  }
}

function checkNames(
  { sourceId, attributes }: LoggedEvent,
  byId: MessageRecord | undefined,
  merged: MessageRecord | undefined,
): void {
  const { providerMessageId } = attributes;
  if (byId?.mergedInto !== undefined) throw new UnprojectableEvent('the message was merged into another one');
  if (byId !== undefined && !byId.sourceId.equals(sourceId))
    throw new UnprojectableEvent('the message is of another source');
  if (
    byId !== undefined &&
    providerMessageId !== '' &&
    byId.providerMessageId !== '' &&
    byId.providerMessageId !== providerMessageId
  )
    throw new UnprojectableEvent('the message has another ID at its provider');
  if (merged?.isCommand === true) throw new UnprojectableEvent('another command has this ID at the provider');
}

function recordOf(
  event: LoggedEvent,
  before: MessageRecord | undefined,
  merged: MessageRecord | undefined,
  evidence: Evidence,
  newMessageId: (nowMs: number) => Buffer,
): MessageRecord {
  const { attributes } = event;
  const isNamed = attributes.messageId.length > 0;
  return {
    messageId: before?.messageId ?? (isNamed ? attributes.messageId : newMessageId(event.receivedAtMs)),
    tenantId: event.tenantId,
    sourceId: event.sourceId,
    providerMessageId: before?.providerMessageId || attributes.providerMessageId,
    evidence,
    channel: before?.channel || merged?.channel || attributes.channel,
    direction: before?.direction || merged?.direction || attributes.direction,
    campaign: before?.campaign || merged?.campaign || attributes.campaign,
    conversationId: before?.conversationId ?? merged?.conversationId ?? conversationIdOf(attributes),
    personHash: before?.personHash ?? merged?.personHash ?? event.personHash,
    isCommand: isNamed || before?.isCommand === true,
    replyTo: before?.replyTo ?? merged?.replyTo,
    mergedInto: undefined,
  };
}
