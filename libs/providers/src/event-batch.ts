import { createHash } from 'node:crypto';
import {
  distinctEvents,
  EVENTS_PER_REQUEST_MAX,
  unrecognizedEvent,
  type EventSignal,
  type ProviderEvent,
} from './provider.js';

/** What is left out first: of a mail that may yet come through, another event will tell. */
const PRECEDENCE: Readonly<Partial<Record<EventSignal | '', number>>> = { soft_bounce: 1, '': 2 };
const precedenceOf = ({ signal }: ProviderEvent): number => PRECEDENCE[signal] ?? 0;

/**
 * The events of a batch as the log takes them: the same key once, and no more than fit.
 * @param body the request's; names the rest of a batch that is too large.
 * Why signals go first: what somebody asked for comes before statistics; the raw request keeps the rest.
 */
export function eventBatch(events: readonly ProviderEvent[], body: Buffer): readonly ProviderEvent[] {
  const distinct = distinctEvents(events);
  if (distinct.length <= EVENTS_PER_REQUEST_MAX) return distinct;
  const bySignal = distinct.toSorted((a, b) => precedenceOf(a) - precedenceOf(b));
  const kept = bySignal.slice(0, EVENTS_PER_REQUEST_MAX - 1);
  const note = `${distinct.length - kept.length} more events in one request than fit`;
  return [...kept, unrecognizedEvent(`rest:${sha256(body)}`, note)];
}

/**
 * Sameness of an item without an ID of its own: what it says, wherever in a batch it stands.
 * @param fallback for an item that is nested too deeply to be written out.
 */
export function itemKey(item: unknown, fallback: string): string {
  try {
    return `item:${sha256(JSON.stringify(item) ?? '')}`;
  } catch {
    return fallback;
  }
}

const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
