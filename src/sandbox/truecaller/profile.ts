/**
 * Users whose number has 5…9 as its third last digit have no optional attributes: these are absent, never null.
 */
function isSparse (digits: string): boolean {
  return (digits.at(-3) ?? '0') >= '5'
}

const address = { city: 'Exampleville', street: '1 Example Street', zipcode: '1234567' }

/** The profile in the form of the web sign-up API of 2017: numbers are JSON numbers. */
export function pushProfile (digits: string): Record<string, unknown> {
  const name = { first: 'Ada', last: 'Example' }
  if (isSparse(digits)) return { name, phoneNumbers: [Number(digits)] }
  return {
    name,
    aboutMe: 'Just an example',
    phoneNumbers: [Number(digits)],
    onlineIdentity: {
      facebookId: '105056625245', twitterId: 'ada_example', email: 'ada@example.com', url: 'https://www.example.com',
    },
    companyName: 'Example Ltd',
    jobTitle: 'CEO',
    addresses: [{ countryCode: 'se', ...address }],
    gender: 'Female',
  }
}

/**
 * The profile in the form of the mobile web SDK ("Fetch user profile"): numbers, times and `isActive` are strings.
 */
export function webProfile (digits: string): Record<string, unknown> {
  const name = { last: 'Example', first: 'Ada' }
  const account = {
    isActive: 'True', createdTime: '1379314068000', type: 'Personal', id: '655574719', userId: '1319413476',
  }
  if (isSparse(digits)) return { phoneNumbers: [digits], ...account, name }
  return {
    phoneNumbers: [digits],
    addresses: [{ countryCode: 'in', ...address }],
    avatarUrl: 'https://www.example.com/avatars/3',
    aboutMe: 'About me',
    jobTitle: 'CEO',
    companyName: 'Example Ltd',
    history: { name: { updateTime: '1508089888000' } },
    gender: 'Female',
    ...account,
    onlineIdentities: { url: 'https://www.example.com', email: 'ada@example.com', facebookId: '105056625245' },
    badges: ['verified', 'premium'],
    name,
  }
}

/** The same profile with the number in another type and spelling, and `null` where nothing is set. */
export function unusualProfile (digits: string, rest: Record<string, unknown>): Record<string, unknown> {
  return { ...rest, phoneNumbers: [null, `00 ${digits.slice(0, 3)} ${digits.slice(3)}`], avatarUrl: null, gender: null }
}
