/** `{…}` is replaced by the value of this name. */
export const english = {
  wait: 'One moment…',
  cellular: 'Checking your number',
  cellularText: 'Use mobile data: turn off Wi-Fi and VPN on this phone, then continue.',
  deepLink: 'Continue in {app}',
  url: 'Confirm your number',
  urlText: 'You continue on another page and come back here.',
  link: 'Open the link that we sent',
  approve: 'Approve the request on your phone',
  approveText: 'Open {app} and approve the request.',
  call: 'Answer our call',
  callText: 'We are calling {phoneNumber}. Follow the instructions of the call.',
  code: 'Enter the code',
  codeLabel: 'Code with {length} digits',
  sent: 'We sent it to {phoneNumber} by {channels}.',
  voice: 'phone call',
  continue: 'Continue',
  submit: 'Verify',
  resend: 'Send again',
  next: 'Another way',
  later: '{action} in {time}',
  resent: 'Sent again.',
  incorrect: 'This code is not correct.',
  remaining: 'Tries left: {count}',
  offline: 'No connection. Trying again…',
  limited: 'Too many tries. Try again in {time}.',
  verified: 'Your number is verified',
  failed: 'Your number could not be verified',
  unavailable: 'This verification is not available',
  elsewhere: 'Go back to the page where you started',
  retry: 'Start again, or try later.',
  not_on_cellular: 'Your phone was not on mobile data.',
  carrier_unsupported: 'Your mobile network does not support this way.',
  app_not_installed: 'The app was not found on this device.',
  user_rejected: 'The request was declined.',
  number_mismatch: 'The phone has another number.',
  code_attempts_exhausted: 'There were too many wrong codes.',
  attempt_timeout: 'There was no answer in time.',
  other: 'The first way did not work.',
}

export type TextKey = keyof typeof english
export type Texts = Readonly<Record<TextKey, string>>

export const fill = (text: string, values: Readonly<Record<string, string | number>>): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))

export const languageOf = (locale: string): string => locale.toLowerCase().split(/[-_]/)[0] ?? ''
/** Only one of the languages written from right to left has texts; for the others they may be given. */
export const directionOf = (locale: string): 'ltr' | 'rtl' => /^(ar|fa|he|ur)$/.test(languageOf(locale)) ? 'rtl' : 'ltr'

const channelNames: Readonly<Record<string, string>> = {
  sms: 'SMS', whatsapp: 'WhatsApp', viber: 'Viber', telegram: 'Telegram',
}

/** The channels of a message as a person calls them, for example "SMS / WhatsApp". */
export function channelList (channels: readonly string[], texts: Texts): string {
  const names = channels.map(channel => {
    const name = channel.toLowerCase()
    return /voice|call/.test(name) ? texts.voice : channelNames[name] ?? channel
  })
  return [...new Set(names)].join(' / ')
}
