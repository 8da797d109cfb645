/** What is kept for how long: contents (addresses, texts), and commands and deliveries with their attempts. */
export const DATA_CLASSES = ['content', 'events'] as const;
export type DataClass = (typeof DATA_CLASSES)[number];

/** Days that a tenant keeps each class. */
export type RetentionPolicy = Readonly<Record<DataClass, number>>;

const DAYS_MIN = 1;
const DAYS_MAX = 3_650;
const DAY_MS = 86_400_000;

/** What is left of one that was deleted: nobody keeps anything for it, and it must not hold the days of others. */
export const SHORTEST_RETENTION: RetentionPolicy = { content: DAYS_MIN, events: DAYS_MIN };

/** What holds for a tenant that says nothing; the same as in the log. */
const DEFAULT_DAYS = { rawDays: 30, contentDays: 396, eventDays: 396 } as const;

/** What holds for everybody when there is nobody. */
export const DEFAULT_RETENTION: RetentionPolicy = {
  content: DEFAULT_DAYS.contentDays,
  events: DEFAULT_DAYS.eventDays,
};

/**
 * The retention part of a tenant's policy, `{ "retention": { "rawDays", "contentDays", "eventDays" } }`; what it does
 * not say is the default. Commands and deliveries stay as long as the events that tell of them do.
 * @returns undefined when it cannot be read: then nothing of that tenant may go.
 */
export function parseRetention(policyJson: string): RetentionPolicy | undefined {
  const policy = asObject(parse(policyJson));
  if (policy === undefined) return undefined;
  const said = policy['retention'] === undefined ? {} : asObject(policy['retention']);
  if (said === undefined) return undefined;
  const { rawDays, contentDays, eventDays } = { ...DEFAULT_DAYS, ...said };
  if (![rawDays, contentDays, eventDays].every(isDays)) return undefined;
  return { content: contentDays, events: Math.max(rawDays, contentDays, eventDays) };
}

/** The time before which nothing of a class is kept, at the start of a UTC day. */
export const cutoffMsOf = (days: number, nowMs: number): number =>
  (Math.floor(nowMs / DAY_MS) - days) * DAY_MS;

/** The longest that anybody keeps each class. */
export function longestOf(policies: readonly RetentionPolicy[]): RetentionPolicy {
  if (policies.length === 0) return DEFAULT_RETENTION;
  const longest = (name: DataClass): number => Math.max(...policies.map((policy) => policy[name]));
  return { content: longest('content'), events: longest('events') };
}

const isDays = (value: unknown): boolean =>
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
