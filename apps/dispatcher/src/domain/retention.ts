/** What is kept for how long: contents (addresses, texts), and commands and deliveries with their attempts. */
export const DATA_CLASSES = ['content', 'events'] as const;
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
export const SHORTEST_RETENTION: RetentionPolicy = { content: DAYS_MIN, events: DAYS_MIN };

/** Of the days that its policy names. Commands and deliveries stay as long as the events that tell of them do. */
export const retentionOf = ({ rawDays, contentDays, eventDays }: PolicyDays): RetentionPolicy => ({
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
  return { content: longest('content'), events: longest('events') };
}
