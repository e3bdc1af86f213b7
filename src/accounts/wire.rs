//! Accounts on the wire.

use tonic::Status;

use super::{
    Error,
    password::{MAX_TYPED, MIN_LENGTH, Why},
    proof::{self, Shown},
    registration::NewAccount,
    store::Profile,
};
use crate::{
    challenges,
    entity::account,
    kernel::{
        FactorKind, Password, Role,
        ids::{Id, RegistrationId},
        text,
    },
    pb,
    rpc::{Fields, Refusal, convert},
};

const MAX_NAME: usize = 100;
const MAX_LOCALE: usize = 35;
const MAX_TERMS_VERSION: usize = 32;

/// An account as its owner and staff see it.
pub fn proto(account: &account::Model) -> pb::Account {
    pb::Account {
        account_id: account.id.to_string(),
        email: account.email.expose().to_owned(),
        display_name: account.display_name.clone(),
        status: match account.status {
            account::Status::Active => pb::AccountStatus::Active,
            account::Status::Suspended => pb::AccountStatus::Suspended,
            account::Status::Deleted => pb::AccountStatus::Deleted,
        }
        .into(),
        roles: account.roles.iter().map(|role| pb_role(role).into()).collect(),
        tier: match account.tier {
            account::Tier::Free => pb::AccountTier::Free,
            account::Tier::Premium => pb::AccountTier::Premium,
        }
        .into(),
        locale: account.locale.clone(),
        terms_version: account.terms_version.clone(),
        email_verified: true,
        create_time: Some(convert::timestamp(account.created_at)),
        update_time: Some(convert::timestamp(account.updated_at)),
        etag: account.row_version.to_string(),
        kind: match account.kind {
            account::Kind::Person => pb::AccountKind::Person,
            account::Kind::Service => pb::AccountKind::Service,
        }
        .into(),
        factor_kinds: account.factor_kinds.iter().map(|kind| pb_factor_kind(kind).into()).collect(),
    }
}

fn pb_factor_kind(kind: FactorKind) -> pb::FactorKind {
    match kind {
        FactorKind::Passkey => pb::FactorKind::Passkey,
        FactorKind::Totp => pb::FactorKind::Totp,
    }
}

fn pb_role(role: Role) -> pb::Role {
    match role {
        Role::Listener => pb::Role::Listener,
        Role::Artist => pb::Role::Artist,
        Role::Reviewer => pb::Role::Reviewer,
        Role::Admin => pb::Role::Admin,
    }
}

/// Every violation at once; a password that alone is wrong is judged later, and gets its own reason.
pub fn new_account(message: &pb::RegisterRequest) -> Result<NewAccount, Status> {
    let mut fields = Fields::default();
    let email = fields.read("email", message.email.parse::<crate::kernel::EmailAddress>());
    let display_name = fields.read("display_name", text::line(&message.display_name, MAX_NAME));
    let locale = fields.read("locale", locale(&message.locale));
    let terms_version = fields.read("terms_version", text::optional_line(&message.terms_version, MAX_TERMS_VERSION));
    let solution = challenges::solution(&mut fields, message.challenge_solution.as_ref());
    let password = Password::new(&message.password);
    let incomplete = email.is_none() || display_name.is_none() || locale.is_none() || terms_version.is_none();
    if incomplete && password.expose().chars().count() < MIN_LENGTH {
        fields.refuse("password", Why::TooShort(MIN_LENGTH).to_string());
    }
    fields.finish(|| {
        Some(NewAccount {
            email: email?,
            password,
            display_name: display_name?,
            locale: locale?,
            terms_version: terms_version?,
            solution,
        })
    })
}

/// A BCP 47 tag by its shape; empty means `en`.
fn locale(text: &str) -> Result<String, &'static str> {
    let well_formed = text.len() <= MAX_LOCALE
        && text.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
        && text
            .split('-')
            .next()
            .is_some_and(|first| first.len() >= 2 && first.bytes().all(|b| b.is_ascii_alphabetic()));
    match text {
        "" => Ok("en".to_owned()),
        text if well_formed => Ok(text.to_owned()),
        _ => Err("must be a language tag such as en or pt-BR, at most 35 characters"),
    }
}

/// Exactly one proof: the link's token, or the handle of the flow and the letter's code. `handle` is the handle's field.
pub fn shown<Flow: Id>(
    fields: &mut Fields,
    token: &str,
    handle: (&str, &str),
    code: &str,
) -> Option<Result<Shown<Flow>, Error>> {
    let (path, flow) = handle;
    let by_link = !token.is_empty();
    let by_code = !flow.is_empty() || !code.is_empty();
    if by_link == by_code {
        fields.refuse("token", format!("give the link's token alone, or {path} and code without it"));
    }
    fields.expect(token.len() <= 200, "token", "must have at most 200 characters");
    fields.expect(code.len() <= 64, "code", "must have at most 64 characters");
    if by_code {
        fields.expect(!flow.is_empty(), path, "must not be empty");
        fields.expect(!code.is_empty(), "code", "must not be empty");
    }
    if by_link {
        return Some(Ok(Shown::Link(proof::link_digest(token))));
    }
    // What is no handle at all is answered like one that nobody has.
    let flow = Flow::parse(flow).map_err(|_| Error::TokenInvalid);
    Some(flow.map(|flow| Shown::Code { flow, code: proof::typed_code(code) }))
}

/// What proves a registration, and its password, if it was given.
pub fn verification(message: &pb::VerifyEmailRequest) -> Result<(Shown<RegistrationId>, Option<Password>), Status> {
    let mut fields = Fields::default();
    let handle = ("registration_id", message.registration_id.as_str());
    let shown = shown(&mut fields, &message.token, handle, &message.code);
    fields.expect(message.password.len() <= MAX_TYPED, "password", "is longer than any password here");
    let password = (!message.password.is_empty()).then(|| Password::new(&message.password));
    Ok((fields.finish(|| shown)??, password))
}

/// What an update asks for, and the version it was read at.
pub fn profile(message: &pb::UpdateAccountRequest) -> Result<(Profile, Option<i64>), Status> {
    let account = message.account.clone().unwrap_or_default();
    let paths = message.update_mask.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        return Err(Refusal::UpdateMaskInvalid("name at least one field".into()).into());
    }
    let mut fields = Fields::default();
    let mut profile = Profile::default();
    for path in paths {
        match path.as_str() {
            "display_name" => {
                profile.display_name = fields.read("account.display_name", text::line(&account.display_name, MAX_NAME));
            }
            "locale" => profile.locale = fields.read("account.locale", locale(&account.locale)),
            "terms_version" => {
                let text = text::optional_line(&account.terms_version, MAX_TERMS_VERSION);
                profile.terms_version = fields.read("account.terms_version", text);
            }
            other => {
                let known = "fields are: display_name, locale, terms_version";
                return Err(Refusal::UpdateMaskInvalid(format!("{other} cannot be changed; {known}")).into());
            }
        }
    }
    fields.finish(|| Some(()))?;
    Ok((profile, seen_version(&message.etag)?))
}

/// An etag is the row's version; empty means «whatever stands there», and one that was never ours matches nothing.
fn seen_version(etag: &str) -> Result<Option<i64>, Error> {
    match etag {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Error::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_are_judged_by_shape() {
        assert_eq!(locale(""), Ok("en".to_owned()));
        for good in ["en", "pt-BR", "zh-Hant-TW", "sr-Latn"] {
            assert_eq!(locale(good), Ok(good.to_owned()));
        }
        for bad in ["e", "english language", "en_US", "-en", "en-", "12", "en-toolongpart"] {
            assert!(locale(bad).is_err(), "{bad}");
        }
    }
}
