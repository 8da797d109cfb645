/** What the platform, not the tenant, decides about destinations. */
export class DestinationRules {
  /** @param allowLoopback whether destinations may be on this machine, by plain http. */
  constructor(readonly allowLoopback: boolean) {}
}
