import { type TenantsClient } from '../clients/tenants.client.js';

/** Calls for one answer; each looks at thousands of entries. */
const CALLS_MAX = 10;

/** Verifies an audit log from an entry on, as far as one request may go. */
export class VerifyAudit {
  constructor(private readonly tenants: Pick<TenantsClient, 'audits' | 'long'>) {}

  /** @param tenant empty: the platform's log. @param after 0: from the first entry. */
  async run(tenant: string, after: number) {
    let [entries, checkpoints, outsideCheckpoints] = [0, 0, 0];
    let afterNumber = BigInt(after);
    for (let call = 1; ; call++) {
      const answer = await this.tenants.audits.verifyAudit({ tenant, afterNumber }, this.tenants.long);
      entries += Number(answer.entries);
      checkpoints += answer.checkpoints;
      outsideCheckpoints += answer.outsideCheckpoints;
      afterNumber = answer.nextAfterNumber;
      if (afterNumber !== 0n && answer.valid && call < CALLS_MAX) continue;
      return {
        ...{ isValid: answer.valid, entries, checkpoints, outsideCheckpoints, problem: answer.problem },
        firstBadNumber: Number(answer.firstBadNumber),
        nextAfter: answer.valid ? Number(afterNumber) : 0,
      };
    }
  }
}
