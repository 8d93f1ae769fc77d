//! Parameters of MAIL and RCPT, where the server offers their extension.
use smtp_client::{
    Body, ByMode, Connection, Envelope, Extension, Mail, MailData, MailParam, Notify, Rcpt,
    RcptParam, Ret, Xtext,
};

use super::{Case, case};
use crate::{
    target::{ACCOUNTS, recipient},
    trial::{Done, Failure, SENDER, Trial, accepted, alice, offers},
};

pub(super) fn cases() -> Vec<Case> {
    let mail = |name: &str, extension, param: fn() -> MailParam| {
        case(name, async move |trial: &Trial<'_>| {
            let mut connection = connect(trial, extension).await?;
            send(trial, &mut connection, param().into(), None).await
        })
    };
    vec![
        mail("RET", Extension::Dsn, || MailParam::Ret(Ret::Headers)),
        mail("ENVID", Extension::Dsn, || MailParam::EnvId(Xtext::encode("interop+1=2"))),
        case("NOTIFY and ORCPT", notify),
        mail("BODY=8BITMIME", Extension::EightBitMime, || MailParam::Body(Body::EightBitMime)),
        mail("BODY=7BIT", Extension::EightBitMime, || MailParam::Body(Body::SevenBit)),
        mail("SMTPUTF8", Extension::SmtpUtf8, || MailParam::SmtpUtf8),
        mail("PRDR", Extension::Prdr, || MailParam::Prdr),
        case("PRDR, many recipients", prdr),
        mail("BY", Extension::DeliverBy, || MailParam::By {
            seconds: 3600,
            mode: ByMode::Notify,
            trace: false,
        }),
        mail("HOLDFOR", Extension::FutureRelease, || MailParam::HoldFor(1)),
        mail("MT-PRIORITY", Extension::MtPriority, || MailParam::MtPriority(3)),
        mail("REQUIRETLS", Extension::RequireTls, || MailParam::RequireTls),
        case("AUTH=", auth),
        case("BINARYMIME", binary),
    ]
}

/// A parameter for MAIL, or none.
struct Given(Option<MailParam>);

impl From<MailParam> for Given {
    fn from(param: MailParam) -> Self {
        Self(Some(param))
    }
}

/// Connects, with TLS where the extension is offered only there.
async fn connect(trial: &Trial<'_>, extension: Extension) -> Result<Connection, Failure> {
    let ends = &trial.target.endpoints;
    let secured = ends.tls.as_ref().or(ends.starttls.as_ref());
    let connection = match secured.filter(|_| extension == Extension::RequireTls) {
        Some(server) => trial.connector_to(server)?.connect().await?,
        None => trial.connect().await?,
    };
    offers(&connection, extension)?;
    Ok(connection)
}

async fn send(
    trial: &Trial<'_>,
    connection: &mut Connection,
    Given(param): Given,
    rcpts: Option<Vec<Rcpt>>,
) -> Done {
    let mut mail = Mail::try_from(SENDER).map_err(Failure::fault)?;
    if let Some(param) = param {
        mail = mail.with(param)?;
    }
    let rcpts = match rcpts {
        Some(rcpts) => rcpts,
        None => vec![Rcpt::try_from(alice()).map_err(Failure::fault)?],
    };
    let envelope = Envelope::new(mail, rcpts)?;
    let recipients: Vec<String> =
        envelope.rcpts().iter().map(|rcpt| rcpt.path().to_string()).collect();
    let recipients: Vec<String> =
        recipients.iter().map(|path| path.trim_matches(['<', '>']).to_owned()).collect();
    let draft = trial.draft("With parameters.\r\n");
    let result = connection.send(&envelope, &draft.data()?).await;
    trial.record(&draft, &recipients, &result);
    accepted(result)?;
    trial.send_one(connection).await
}

async fn notify(trial: &Trial<'_>) -> Done {
    let mut connection = connect(trial, Extension::Dsn).await?;
    let mut seldom = Notify::default();
    (seldom.failure, seldom.delay) = (true, true);
    let mut rcpts = Vec::new();
    for (number, notify) in [Notify::NEVER, seldom].into_iter().enumerate() {
        let rcpt = Rcpt::try_from(recipient(number)).map_err(Failure::fault)?;
        let original = "former+name@example.org".parse::<smtp_client::Mailbox>();
        let original = original.map_err(Failure::fault)?;
        let rcpt = rcpt.with(RcptParam::Notify(notify))?.with(RcptParam::orcpt(&original))?;
        rcpts.push(rcpt);
    }
    send(trial, &mut connection, Given(None), Some(rcpts)).await
}

/// With PRDR each recipient has a final reply.
async fn prdr(trial: &Trial<'_>) -> Done {
    let mut connection = connect(trial, Extension::Prdr).await?;
    let rcpts = (0..5).map(|number| Rcpt::try_from(recipient(number)).map_err(Failure::fault));
    let rcpts = rcpts.collect::<Result<Vec<_>, _>>()?;
    send(trial, &mut connection, MailParam::Prdr.into(), Some(rcpts)).await
}

async fn auth(trial: &Trial<'_>) -> Done {
    let server = trial.target.endpoints.login.as_ref();
    let server = server.ok_or_else(|| Failure::skip("the server is not set up for logins"))?;
    let (user, password) = ACCOUNTS[0];
    let login = smtp_client::Login::new(smtp_client::Credentials::password(user, password)?);
    let mut connection = trial.anonymous_to(server).login(login).connect().await?;
    offers(&connection, Extension::Auth)?;
    let identity = Xtext::encode(user);
    send(trial, &mut connection, MailParam::Auth(Some(identity)).into(), None).await?;
    send(trial, &mut connection, MailParam::Auth(None).into(), None).await
}

async fn binary(trial: &Trial<'_>) -> Done {
    let mut connection = connect(trial, Extension::BinaryMime).await?;
    let mut draft = trial.draft("any octets: \0 \r \n\r\n");
    draft.octets.extend_from_slice(&[0, 255, 13, 10]);
    let envelope = Envelope::new(SENDER, [alice()])?;
    let result = connection.send(&envelope, &MailData::binary(draft.octets.clone())).await;
    trial.record(&draft, &[alice()], &result);
    accepted(result)
}
