/** Bounds of intake. Times in milliseconds. */
export interface AppendLimits {
  /** Transactions at the same time. */
  readonly lanes: number;
  readonly batchEventsMax: number;
  readonly batchBytesMax: number;
  readonly waitingRequestsMax: number;
  readonly waitingBytesMax: number;
  /** A transaction that takes longer is answered `unavailable`; ingress answers its sender after 1.5 s. */
  readonly commitDeadlineMs: number;
  /** What waited longer is not begun any more: its sender has its answer. */
  readonly waitDeadlineMs: number;
}

export const APPEND_LIMITS: AppendLimits = {
  lanes: 2,
  batchEventsMax: 256,
  batchBytesMax: 512 * 1024,
  waitingRequestsMax: 8_000,
  waitingBytesMax: 32 * 1024 * 1024,
  commitDeadlineMs: 1_000,
  waitDeadlineMs: 1_500,
};
