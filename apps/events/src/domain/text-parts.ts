/** A part of a longer text that waits for the others. IDs and hashes are 16 bytes; times Unix milliseconds. */
export interface WaitingPart {
  readonly tenantId: Buffer;
  readonly sourceId: Buffer;
  readonly eventId: Buffer;
  /** The same for all parts of one text. */
  readonly textHash: Buffer;
  /** 1–`total`. */
  readonly number: number;
  readonly total: number;
  /** 0 = the provider does not say. */
  readonly occurredAtMs: number;
  readonly receivedAtMs: number;
  /** Since when it is known here. */
  readonly waitsSinceMs: number;
}

/**
 * So long a part waits for the others; then the text is what is there of it.
 * Why so long: what we could not take, Vonage sends again after 5, 10, 20, … s, some ten minutes in all before the
 * steps become quarters of an hour.
 */
export const CONCAT_WAIT_MS = 10 * 60_000;

/**
 * The texts that can be put together now, each as its parts in their order.
 * References are used again and again: a number that comes twice belongs to another text of the same sender, so the
 * earliest ones go together. Depends on the set of the parts alone, never on the order they came in.
 */
export function textsOf(parts: readonly WaitingPart[], nowMs: number): WaitingPart[][] {
  const texts: WaitingPart[][] = [];
  for (const group of groupsOf(parts)) {
    let rest = [...group].sort(compareParts);
    while (rest.length > 0) {
      const text = firstOfEach(rest);
      const isComplete = text.length === text[0]!.total;
      if (!isComplete && !rest.some(({ waitsSinceMs }) => waitsSinceMs <= nowMs - CONCAT_WAIT_MS)) break;
      texts.push(text);
      rest = rest.filter((part) => !text.includes(part));
    }
  }
  return texts;
}

function groupsOf(parts: readonly WaitingPart[]): Iterable<WaitingPart[]> {
  const groups = new Map<string, WaitingPart[]>();
  for (const part of parts) {
    const name = [part.tenantId, part.sourceId, part.textHash].map((id) => id.toString('latin1')).join('');
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [part]);
    else group.push(part);
  }
  return groups.values();
}

/** By their numbers, those of one number by time. */
const compareParts = (a: WaitingPart, b: WaitingPart): number =>
  a.number - b.number || a.occurredAtMs - b.occurredAtMs || Buffer.compare(a.eventId, b.eventId);

/** @param parts in their order. */
const firstOfEach = (parts: readonly WaitingPart[]): WaitingPart[] =>
  parts.filter(({ number }, at) => at === 0 || parts[at - 1]!.number !== number);
