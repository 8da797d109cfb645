import { atPointer } from './json-pointer.js';
import { providerEvent, unrecognizedEvent, type Channel, type ProviderEvent } from './provider.js';

/** The terminal event of a bot: a person of the tenant's is to take the conversation over. */
export const HANDOFF_TYPE = 'conversation.handoff';

const ADDRESS_LENGTH_MAX = 4_096;
/** As the events service takes it from whoever asks for a hand-off by API. */
export const CONTEXT_BYTES_MAX = 32_768;
const TEXT_LENGTH_MAX = 8_000;
const ITEMS_MAX = 50;
const DEPTH_MAX = 16;
/** A word: it stands in the clear in the log, so a sentence about somebody must not get there. */
const REASON = /^[a-z][a-z0-9_]{0,63}$/;
/** A name, and for the same reason no sentence and no number. */
const QUEUE = /^[A-Za-z][\w.:-]{0,63}$/;
const PRIORITY = /^[0-9]$/;

/**
 * What a bot may tell of a conversation, by weight: what does not fit any more is left out, `history` before all.
 * Source: the fields of `POST …/conversations/{id}/handoff`.
 */
const CONTEXT_FIELDS = [
  ...['intent', 'sentiment', 'decisions', 'summary', 'model', 'language', 'candidates', 'entities'],
  ...['skills', 'slaDueAt', 'workflow', 'step', 'variables', 'returnStep', 'providerThreadIds'],
  ...['contactId', 'locale', 'timeZone'],
];
const HISTORY_FIELD = 'history';

/** Which conversation a bot gives up, and why. Missing texts are empty. */
export interface SaidHandoff {
  readonly channel: Channel | '';
  readonly contact: string;
  readonly ours: string;
  readonly reason: string;
  /** As it was sent. */
  readonly context: unknown;
  /** The agents' queue that it asks for. */
  readonly queue: string;
  /** How urgent it says it is, in digits. */
  readonly priority: string;
}

/**
 * The event of a hand-off; what the bot knows becomes its content.
 * Why one without a conversation is not understood: nobody could take it over, and an operator has to see that.
 */
export function handoffEvent(
  { channel, contact, ours, reason, context, queue, priority }: SaidHandoff,
  known: Pick<ProviderEvent, 'dedupKey'> & Partial<ProviderEvent>,
): ProviderEvent {
  if (channel === '') return unrecognizedEvent(known.dedupKey, 'a hand-off without a channel', known);
  if (!isAddress(contact)) return unrecognizedEvent(known.dedupKey, 'a hand-off without a contact', known);
  // A push has no sender's address.
  if (!isAddress(ours) && (channel !== 'push' || ours !== ''))
    return unrecognizedEvent(known.dedupKey, 'a hand-off without our address', known);
  const event = providerEvent({
    ...known,
    type: HANDOFF_TYPE,
    channel,
    person: contact,
    ours,
    content: { from: contact, to: ours, text: handoffContext(context), subject: '', mediaUrls: [] },
    note: REASON.test(reason) ? reason : '',
  });
  // What cannot be meant is left out: a bot that gives up has to reach somebody, be it in no queue of its own.
  return {
    ...event,
    ...(QUEUE.test(queue) && { queue }),
    ...(PRIORITY.test(priority) && { priority: Number(priority) }),
  };
}

const isAddress = (text: string): boolean => text !== '' && text.length <= ADDRESS_LENGTH_MAX;

/**
 * What a bot knows, as one JSON object of known fields; empty when it says nothing.
 * @returns at most `CONTEXT_BYTES_MAX` bytes. Long texts and lists are cut short, of `history` the newest stay.
 */
export function handoffContext(said: unknown): string {
  const kept: Record<string, unknown> = {};
  let room = CONTEXT_BYTES_MAX;
  const keep = (name: string, value: unknown): void => {
    // With its braces, which more than make up for the comma and for those of the whole.
    const bytes = bytesOf({ [name]: value });
    if (bytes > room) return;
    room -= bytes;
    kept[name] = value;
  };
  for (const name of CONTEXT_FIELDS) {
    const value = bounded(atPointer(said, `/${name}`));
    if (value !== undefined) keep(name, value);
  }
  const history = newestItems(atPointer(said, `/${HISTORY_FIELD}`), room - bytesOf({ [HISTORY_FIELD]: [] }));
  if (history.length > 0) keep(HISTORY_FIELD, history);
  return Object.keys(kept).length === 0 ? '' : JSON.stringify(kept);
}

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** A text, a list or an object within the bounds; undefined for anything else. */
function bounded(value: unknown): unknown {
  if (typeof value === 'string') return value === '' ? undefined : value.slice(0, TEXT_LENGTH_MAX);
  const cut: unknown = Array.isArray(value) ? value.slice(0, ITEMS_MAX) : value;
  return typeof cut === 'object' && cut !== null && isShallow(cut, DEPTH_MAX) ? cut : undefined;
}

/** The end of a list, oldest first, as far as it fits. @param room bytes for the items and their commas. */
function newestItems(list: unknown, room: number): unknown[] {
  const items: unknown[] = [];
  let left = room;
  for (const item of Array.isArray(list) ? list.slice(-ITEMS_MAX).reverse() : []) {
    const value = bounded(item);
    if (value === undefined) continue;
    left -= bytesOf(value) + 1;
    if (left < 0) break;
    items.unshift(value);
  }
  return items;
}

/** Whether nothing is nested more deeply: what is, cannot be written out again on every stack. */
function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isShallow(inner, depth - 1));
}
