const UNAVAILABLE = 14;

/** An entry as a service tells it; `number` is the service's own. */
export interface PlayedEntry {
  readonly number: bigint;
  readonly tenantId: string;
  readonly actor?: { readonly id: string; readonly kind: string; readonly remoteAddress: string } | undefined;
  readonly action: string;
  readonly target: string;
  readonly detailJson: string;
}

type Answer = (error: { readonly code: number } | null, response?: object) => void;

/** The audit log as tenants keeps it for one service: each number once. Its handlers serve AuditAppendService. */
export class PlayedAudit {
  readonly entries: PlayedEntry[] = [];
  calls = 0;
  /** While true, what is told is stored, and the answer is lost. */
  isAnswerLost = false;
  readonly handlers = {
    appendAuditEntries: (
      { request }: { readonly request: { readonly entries: readonly PlayedEntry[] } },
      answer: Answer,
    ): void => {
      this.calls += 1;
      const known = new Set(this.entries.map(({ number }) => number));
      this.entries.push(...request.entries.filter(({ number }) => !known.has(number)));
      if (this.isAnswerLost) answer({ code: UNAVAILABLE });
      else answer(null, { refusedNumbers: [] });
    },
    recordAccess: (_: unknown, answer: Answer): void => answer({ code: UNAVAILABLE }),
  };

  /** Who did what to what, in the order of the numbers. */
  get acts(): readonly { readonly action: string; readonly target: string; readonly detail: unknown }[] {
    return this.entries.map(({ action, target, detailJson }) => ({
      ...{ action, target, detail: JSON.parse(detailJson) as unknown },
    }));
  }
}
