"""What every page route does: name the viewer, count what waits, and hand HTML back."""

from fastapi.responses import HTMLResponse

from api.auth import Permission, Principal
from api.services import Services
from dashboards.render import render
from dashboards.views import Chrome, Viewer
from domain.finding import AlertStatus


def page(
    services: Services,
    principal: Principal,
    template: str,
    view: object = None,
    *,
    section: str = "",
    notice: str = "",
    status: int = 200,
) -> HTMLResponse:
    """The page of a template and its view, for whoever asks."""
    session = principal.session
    viewer = Viewer(
        name=principal.name,
        roles=sorted(role.value for role in principal.roles),
        sees_phi=principal.may(Permission.READ_PHI),
        works_alerts=principal.may(Permission.WORK_ALERTS),
        exports=principal.may(Permission.EXPORT),
        csrf=session.csrf if session else "",
    )
    chrome = Chrome(
        site=services.site(),
        now=services.clock(),
        version=services.version,
        viewer=viewer,
        open_alerts=sum(one.alerts for one in services.waiting.waiting() if one.status is AlertStatus.OPEN),
        section=section,
        notice=notice,
    )
    return HTMLResponse(render(template, chrome, view), status_code=status)
