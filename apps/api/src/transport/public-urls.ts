/** Addresses that the answers of the API name. */
export class PublicUrls {
  /** @param ingress where providers post, without a slash at the end. */
  constructor(readonly ingress: string) {}
}
