/** What is kept for how long: raw requests, contents (addresses, texts), and events with their timeline. */
export const DATA_CLASSES = ['raw', 'content', 'events'] as const;
export type DataClass = (typeof DATA_CLASSES)[number];

/** Days that a tenant keeps each class. */
export type RetentionPolicy = Readonly<Record<DataClass, number>>;

/** What a tenant's policy says. */
export interface PolicyDays {
  readonly rawDays: number;
  readonly contentDays: number;
  readonly eventDays: number;
}

const DAYS_MIN = 1;
const DAY_MS = 86_400_000;

/** What is left of one that was deleted: nobody keeps anything for it, and it must not hold the days of others. */
export const SHORTEST_RETENTION: RetentionPolicy = { raw: DAYS_MIN, content: DAYS_MIN, events: DAYS_MIN };

/** Of the days that its policy names. Events stay at least as long as what hangs on them: who a body belongs to stands there only. */
export const retentionOf = ({ rawDays, contentDays, eventDays }: PolicyDays): RetentionPolicy => ({
  raw: rawDays,
  content: contentDays,
  events: Math.max(rawDays, contentDays, eventDays),
});

/** The time before which nothing of a class is kept, at the start of a UTC day. */
export const cutoffMsOf = (days: number, nowMs: number): number =>
  (Math.floor(nowMs / DAY_MS) - days) * DAY_MS;

/** The longest that anybody keeps each class. @param nobody what holds when there is nobody. */
export function longestOf(policies: readonly RetentionPolicy[], nobody: RetentionPolicy): RetentionPolicy {
  if (policies.length === 0) return nobody;
  const longest = (name: DataClass): number => Math.max(...policies.map((policy) => policy[name]));
  return { raw: longest('raw'), content: longest('content'), events: longest('events') };
}
