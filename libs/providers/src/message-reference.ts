const REFERENCE = /^msg_[0-9a-hjkmnp-tv-z]{26}$/;

/**
 * What a provider hands back of what a message was sent with: our own reference, or a text of the tenant's, which
 * names a campaign.
 * @param text as the provider says it, bounded.
 */
export const referenceOrCampaign = (
  text: string,
): { readonly messageReference: string; readonly campaign: string } =>
  REFERENCE.test(text) ? { messageReference: text, campaign: '' } : { messageReference: '', campaign: text };

/** Our reference, or empty for any other text. */
export const messageReference = (text: string | undefined): string =>
  text !== undefined && REFERENCE.test(text) ? text : '';
