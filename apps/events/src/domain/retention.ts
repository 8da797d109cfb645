/** What is kept for how long: raw requests, contents (addresses, texts), and events with their timeline. */
export const DATA_CLASSES = ['raw', 'content', 'events'] as const;
export type DataClass = (typeof DATA_CLASSES)[number];

/** Days that a tenant keeps each class. */
export type RetentionPolicy = Readonly<Record<DataClass, number>>;

/** What holds for a tenant that says nothing: raw requests a month, the rest 13 months. */
export const DEFAULT_RETENTION: RetentionPolicy = { raw: 30, content: 396, events: 396 };

const DAYS_MIN = 1;
const DAYS_MAX = 3_650;
const DAY_MS = 86_400_000;

/** What is left of one that was deleted: nobody keeps anything for it, and it must not hold the days of others. */
export const SHORTEST_RETENTION: RetentionPolicy = { raw: DAYS_MIN, content: DAYS_MIN, events: DAYS_MIN };

const KEYS: Readonly<Record<DataClass, string>> = {
  raw: 'rawDays',
  content: 'contentDays',
  events: 'eventDays',
};

/**
 * The retention part of a tenant's policy, `{ "retention": { "rawDays", "contentDays", "eventDays" } }`; what it does
 * not say is the default. Events stay at least as long as what hangs on them: who a body belongs to stands there only.
 * @returns undefined when it cannot be read: then nothing of that tenant may go.
 */
export function parseRetention(policyJson: string): RetentionPolicy | undefined {
  const policy = asObject(parse(policyJson));
  if (policy === undefined) return undefined;
  const said = policy['retention'] === undefined ? {} : asObject(policy['retention']);
  if (said === undefined) return undefined;
  const days = DATA_CLASSES.map((name) => said[KEYS[name]] ?? DEFAULT_RETENTION[name]);
  if (!days.every(isDays)) return undefined;
  const [raw, content, events] = days as [number, number, number];
  return { raw, content, events: Math.max(raw, content, events) };
}

/** The time before which nothing of a class is kept, at the start of a UTC day. */
export const cutoffMsOf = (days: number, nowMs: number): number =>
  (Math.floor(nowMs / DAY_MS) - days) * DAY_MS;

/** The longest that anybody keeps each class; the default when there is nobody. */
export function longestOf(policies: readonly RetentionPolicy[]): RetentionPolicy {
  const longest = (name: DataClass): number =>
    policies.length === 0 ? DEFAULT_RETENTION[name] : Math.max(...policies.map((policy) => policy[name]));
  return { raw: longest('raw'), content: longest('content'), events: longest('events') };
}

const isDays = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= DAYS_MIN && (value as number) <= DAYS_MAX;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const asObject = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
